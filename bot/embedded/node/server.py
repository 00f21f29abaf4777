"""The node's own HTTP server, where the API server fetches the logs of containers."""

import asyncio
import os
import ssl
import tempfile
from datetime import UTC, datetime, timedelta

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.embedded.node.kubelet import Kubelet
from bot.embedded.node.logs import ContainerLog


class LogServer:
    """Serves `GET /containerLogs/NAMESPACE/POD/CONTAINER` on a free loopback port."""

    def __init__(self, kubelet: Kubelet, *, tls: bool) -> None:
        self._kubelet = kubelet
        self._tls = tls
        self.port = 0
        """Known once it is started."""

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        context = await asyncio.to_thread(_own_certificate) if self._tls else None
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        path, query = request.match_info, request.query
        pod = self._kubelet.find(path["namespace"], path["pod"])
        if pod is None:
            return _refuse(404, f'pod "{path["pod"]}" does not run on this node')
        container = pod.container(path["container"])
        if container is None:
            return _refuse(404, f"container {path['container']} not found in pod {path['pod']}")
        previous = query.get("previous") == "true"
        log = container.log(previous=previous)
        name = path["container"]
        if log is None:
            if previous:
                problem = f'previous terminated container "{name}" in pod "{path["pod"]}" not found'
                return _refuse(400, problem)
            reason = (container.state.waiting or {}).get("reason", "ContainerCreating")
            title = f'container "{name}" in pod "{path["pod"]}"'
            return _refuse(400, f"{title} is waiting to start: {_reason_text(reason)}")
        return await _send(request, log)


async def _send(request: web.Request, log: ContainerLog) -> web.StreamResponse:
    query = request.query
    try:
        lines = int(query["tailLines"]) if "tailLines" in query else None
        limit = int(query["limitBytes"]) if "limitBytes" in query else None
    except ValueError:
        return _refuse(400, "tailLines and limitBytes must be numbers")
    timestamps = query.get("timestamps") == "true"
    if query.get("follow") != "true":
        return web.Response(body=log.tail(lines, timestamps=timestamps)[:limit], content_type="text/plain")
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    async for part in log.follow(lines, timestamps=timestamps):
        await response.write(part)
    await response.write_eof()
    return response


def _refuse(status: int, problem: str) -> web.Response:
    return web.Response(status=status, text=problem)


def _reason_text(reason: str) -> str:
    return "trying and failing to pull image" if "ImagePull" in reason else reason


def _own_certificate() -> ssl.SSLContext:
    """A self-signed certificate for this run: an API server requires TLS and trusts any."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "greenroom node")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=365))
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # OpenSSL reads a key from a file only; this one is private and gone at once.
    with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
        os.fchmod(pair.fileno(), 0o600)
        pair.write(certificate + secret)
        pair.flush()
        context.load_cert_chain(pair.name)
    return context

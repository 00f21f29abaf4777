"""Closing the client closes its connections, whatever the API server does."""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

import yaml

from bot.cluster.client.connection import connect
from bot.cluster.client.kinds import CONFIG_MAP
from tests.kubernetes.certificates import Authority

_PATIENCE_SECONDS = 5


async def test_cancelled_request_leaves_no_connection_behind(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.server("api")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        api = await connect(_kubeconfig(tmp_path, listener, authority.certificate))
        accepted = asyncio.create_task(asyncio.to_thread(_accept, listener, context))
        request = asyncio.create_task(api.get(CONFIG_MAP, "a", "shop"))
        server = await accepted
        with server:
            request.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await request
            await api.close()
            assert await asyncio.to_thread(_is_closed, server)


def _kubeconfig(folder: Path, listener: socket.socket, authority: Path) -> Path:
    cluster = {
        "server": f"https://127.0.0.1:{listener.getsockname()[1]}",
        "certificate-authority": str(authority),
    }
    content = {
        "clusters": [{"name": "a", "cluster": cluster}],
        "users": [{"name": "a", "user": {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


def _accept(listener: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection whose request is read and never answered."""
    connection, _ = listener.accept()
    connection.settimeout(_PATIENCE_SECONDS)
    secure = context.wrap_socket(connection, server_side=True)
    assert secure.recv(65536).startswith(b"GET ")
    return secure


def _is_closed(server: ssl.SSLSocket) -> bool:
    """Whether the peer closed the connection without an answer to TLS's closing handshake."""
    plain = socket.socket(fileno=server.detach())
    with plain:
        plain.settimeout(_PATIENCE_SECONDS)
        with contextlib.suppress(ConnectionResetError):
            while plain.recv(65536):
                pass
    return True

"""A real Prometheus, from Debian's package, that scrapes one address.

`python -m tests.kubernetes.prometheus` downloads it: the node's network namespace leads nowhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import yaml

from tests.kubernetes import debian

_SECONDS = 60
USER, PASSWORD = "greenroom", "correct horse"
_PASSWORD_HASH = "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2"
"""Hash of the password, with bcrypt."""


def program() -> Path:
    """Prometheus, which the first call downloads."""
    return debian.program("prometheus", "prometheus")


@contextlib.asynccontextmanager
async def prometheus(
    folder: Path,
    target: str,
    port: int,
    certificate: tuple[Path, Path] | None = None,
    trust: ssl.SSLContext | None = None,
    labels: Mapping[str, str] | None = None,
) -> AsyncIterator[str]:
    """Gives its URL once it has scraped `target`. With a certificate it serves TLS and asks for USER.

    `labels` are those of the target.
    """
    executable = await asyncio.to_thread(program)
    configuration, web = folder / "prometheus.yaml", folder / "web.yaml"
    scrape = {"job_name": "gateway", "static_configs": [{"targets": [target], "labels": dict(labels or {})}]}
    configuration.write_text(
        yaml.safe_dump(
            {"global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"}, "scrape_configs": [scrape]}
        )
    )
    secured = {}
    if certificate is not None:
        files = {"cert_file": str(certificate[0]), "key_file": str(certificate[1])}
        secured = {"tls_server_config": files, "basic_auth_users": {USER: _PASSWORD_HASH}}
    web.write_text(yaml.safe_dump(secured))
    process = await asyncio.create_subprocess_exec(
        executable,
        f"--config.file={configuration}",
        f"--web.config.file={web}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    )
    url = f"{'https' if secured else 'http'}://127.0.0.1:{port}"
    try:
        await _scraped(url, trust)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def _scraped(url: str, trust: ssl.SSLContext | None) -> None:
    deadline = time.monotonic() + _SECONDS
    async with httpx.AsyncClient(verify=trust or True, trust_env=False, auth=(USER, PASSWORD)) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.get(f"{url}/api/v1/query", params={"query": "up == 1"})
                if answer.status_code == httpx.codes.OK and answer.json()["data"]["result"]:
                    return
            assert time.monotonic() < deadline, "Prometheus does not scrape"
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    program()

"""A Vault whose certificate a private authority signed."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bot.model.errors import GreenroomError, Unavailable
from bot.secrets.provider_file import VaultSettings
from bot.secrets.vault_client import VaultClient
from tests.kubernetes.certificates import Authority


class _Vault(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"data": {"ttl": 0, "renewable": False}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def address(authority: Authority) -> Iterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.server("vault"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Vault)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def _check(address: str, folder: Path, **settings: Any) -> None:
    token = folder / "token"
    token.write_text("hvs.token")
    values = {"address": address, "auth": {"token_file": str(token)}, **settings}
    client = VaultClient(VaultSettings.model_validate(values))
    try:
        await client.check()
    finally:
        await client.close()


async def test_certificate_of_a_private_authority_needs_its_file(
    authority: Authority, address: str, tmp_path: Path
) -> None:
    await _check(address, tmp_path, ca_file=str(authority.certificate))
    with pytest.raises(Unavailable, match=r"is not trusted.*set vault\.ca_file"):
        await _check(address, tmp_path)


async def test_file_of_an_authority_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(GreenroomError, match=r"vault\.ca_file /nowhere\.pem is invalid"):
        await _check("https://127.0.0.1:9", tmp_path, ca_file="/nowhere.pem")

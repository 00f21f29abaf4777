"""Secret managers that answer with what is not expected: it is an outage, and no error quotes the answer."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from bot.logging import set_up_logging
from bot.model.errors import GreenroomError, Rejected, Unavailable
from bot.model.repository import Repository
from bot.secrets import remote
from bot.secrets.aws import AwsClient, AwsParameters, AwsSecretsManager
from bot.secrets.managers import check_managers
from bot.secrets.provider_file import AwsSettings, VaultLogin, VaultSettings
from bot.secrets.remote import Provider, RemoteSecrets
from bot.secrets.vault import VaultSecrets
from bot.secrets.vault_client import VaultClient
from bot.secrets.vault_dynamic import VaultCredentials

SHOP = Repository(10, 20, "acme", "shop")
GRANTS = {"shop/*": "acme/shop", "kv/shop/*": "acme/shop", "database/creds/*": "acme/shop"}
SECRET = "sk_in_the_answer"
DEEP = "[" * 100_000
RUBBISH = [
    f"<html>{SECRET}</html>",
    "",
    "[]",
    "{}",
    DEEP,
    json.dumps({"data": SECRET, "SecretString": [SECRET], "Parameter": SECRET}),
    json.dumps({"data": {"data": [SECRET], "metadata": 7}, "Parameter": {"Value": {"a": SECRET}}}),
    json.dumps({"SecretString": None, "Parameter": {}, "__type": SECRET}),
]
TOKEN = {"data": {"ttl": 0, "renewable": False, "period": 3600}}
ENGINE = {"data": {"path": "kv/", "type": "kv", "options": {"version": "2"}}}


class Silent:
    def secret_read(self, provider: str, outcome: str) -> None: ...


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


class _Answering(BaseHTTPRequestHandler):
    content = b""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def endpoint() -> Iterator[str]:
    """A server in place of AWS, which answers with `_Answering.content`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def aws(endpoint: str) -> Iterator[AwsClient]:
    client = AwsClient(AwsSettings(region="eu-central-1", endpoint_url=endpoint, secrets=GRANTS))
    yield client
    client.close()


def vault(folder: Path, answer: str, about: object = TOKEN) -> VaultClient:
    """A client whose server gives this answer, and another about the token."""

    def respond(request: httpx.Request) -> httpx.Response:
        for part, content in (("lookup-self", about), ("ui/mounts", ENGINE)):
            if part in request.url.path:
                return httpx.Response(200, json=content)
        return httpx.Response(200, text=answer)

    (folder / "token").write_text("hvs.token")
    settings = VaultSettings(
        address="http://127.0.0.1:8200", auth=VaultLogin(token_file=folder / "token"), grants=GRANTS
    )
    return VaultClient(settings, httpx.MockTransport(respond))


async def refused(provider: Provider, path: str) -> GreenroomError:
    with pytest.raises(GreenroomError) as failed:
        await RemoteSecrets("test", provider, Silent()).read(path, SHOP)
    assert SECRET not in str(failed.value)
    return failed.value


@pytest.mark.parametrize("answer", RUBBISH)
async def test_rubbish_in_place_of_aws(aws: AwsClient, answer: str) -> None:
    _Answering.content = answer.encode()
    for provider in (AwsSecretsManager(aws, GRANTS), AwsParameters(aws, GRANTS)):
        error = await refused(provider, "shop/stripe")
        assert isinstance(error, Unavailable)
        assert "gives no usable answer: is `aws.endpoint_url` in GREENROOM_SECRETS_MANAGERS" in str(error)


@pytest.mark.parametrize("answer", RUBBISH)
async def test_rubbish_in_place_of_vault(tmp_path: Path, answer: str) -> None:
    client = vault(tmp_path, answer)
    await refused(VaultSecrets(client, GRANTS), "kv/shop/stripe#key")
    with pytest.raises(GreenroomError) as failed:
        await VaultCredentials(client, GRANTS, lambda: datetime.now(UTC)).issue("database/creds/shop")
    assert SECRET not in str(failed.value)
    await client.close()


@pytest.mark.parametrize("answer", [SECRET, [], {"ttl": SECRET}, {"ttl": [7]}])
async def test_rubbish_about_the_token_of_vault(tmp_path: Path, answer: object) -> None:
    client = vault(tmp_path, json.dumps({"data": {"data": {"key": 7}}}), {"data": answer})
    result, *_ = await asyncio.gather(client.check(), return_exceptions=True)
    assert result is None or isinstance(result, Unavailable)
    assert SECRET not in str(result)
    await client.close()


@pytest.mark.parametrize("seconds", [SECRET, 0, -1, 10**300, None, [60]])
async def test_credentials_without_a_duration_are_refused(tmp_path: Path, seconds: object) -> None:
    answer = {"lease_id": "database/creds/shop/1", "lease_duration": seconds, "data": {"username": SECRET}}
    client = vault(tmp_path, json.dumps(answer))
    with pytest.raises(Rejected, match="issues no credentials at database/creds/shop") as failed:
        await VaultCredentials(client, GRANTS, lambda: datetime.now(UTC)).issue("database/creds/shop")
    assert SECRET not in str(failed.value)
    await client.close()


@pytest.mark.parametrize("token", [f"hvs.first\n{SECRET}", f"hvs.{SECRET}ü", f"hvs {SECRET}", "", "\x00"])
async def test_token_that_no_header_can_contain_is_not_quoted(tmp_path: Path, token: str) -> None:
    (tmp_path / "token").write_text(token)
    settings = VaultSettings(address="http://127.0.0.1:9", auth=VaultLogin(token_file=tmp_path / "token"))
    client = VaultClient(settings)
    with pytest.raises(Rejected, match=r"vault\.auth\.token_file does not contain one token") as failed:
        await client.check()
    assert SECRET not in str(failed.value)
    await client.close()


async def test_refused_token_names_the_setting_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hvs.token")
    for periodic, setting in ((False, "vault.auth.token_file"), (True, "vault.dynamic_token_file")):
        login = VaultLogin(token_file=tmp_path / "token")
        client = VaultClient(
            VaultSettings(address="http://127.0.0.1:8200", auth=login),
            httpx.MockTransport(lambda _: httpx.Response(403, json={})),
            periodic=periodic,
        )
        with pytest.raises(Rejected, match=f"refuses the token in {setting}: write a valid one"):
            await client.check()
        await client.close()


@pytest.mark.parametrize(
    ("number", "text"), [("1.10", "1.10"), ("1e22", "1e22"), ("10", "10"), ('"1.0"', "1.0")]
)
async def test_numbers_are_read_as_they_are_written(
    tmp_path: Path, aws: AwsClient, number: str, text: str
) -> None:
    content = f'{{"key": {number}}}'
    client = vault(tmp_path, f'{{"data": {{"data": {content}, "metadata": {{"version": 3}}}}}}')
    assert (await VaultSecrets(client, GRANTS).read("kv/shop/stripe#key", SHOP)).text == text
    await client.close()
    _Answering.content = json.dumps({"SecretString": content, "VersionId": "1"}).encode()
    assert (await AwsSecretsManager(aws, GRANTS).read("shop/stripe#key", SHOP)).text == text


@pytest.mark.parametrize("value", ["true", "null", "[1]", '{"a": 1}', "NaN", DEEP])
async def test_json_that_is_not_text_is_refused(aws: AwsClient, value: str) -> None:
    _Answering.content = json.dumps({"SecretString": f'{{"key": {value}}}'}).encode()
    assert isinstance(await refused(AwsSecretsManager(aws, GRANTS), "shop/stripe#key"), Rejected)


@pytest.mark.parametrize("key", ["api-key", "tls.crt", "API/KEY", "a:b", "größe", "a+b", "%2e"])
async def test_keys_with_unusual_characters(tmp_path: Path, key: str) -> None:
    client = vault(tmp_path, json.dumps({"data": {"data": {key: "s3cret"}, "metadata": {"version": 1}}}))
    assert (await VaultSecrets(client, GRANTS).read(f"kv/shop/a+b@c#{key}", SHOP)).text == "s3cret"
    await client.close()


async def test_slow_manager_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers a byte at a time meets no limit for a pause."""

    class Slow:
        async def read(self, path: str, repository: Repository) -> Any:
            await asyncio.sleep(60)

    monkeypatch.setattr(remote, "_LONGEST_SECONDS", 0.05)
    assert "does not answer within" in str(await refused(Slow(), "key"))


async def test_requests_that_wait_for_a_login_share_its_failure(tmp_path: Path) -> None:
    """A server that hangs would otherwise delay each of them in turn."""
    asked = 0

    async def hang(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.05)
        raise httpx.ReadTimeout("")

    (tmp_path / "token").write_text("hvs.token")
    login = VaultLogin(token_file=tmp_path / "token")
    client = VaultClient(
        VaultSettings(address="http://127.0.0.1:8200", auth=login), httpx.MockTransport(hang)
    )
    reads = (client.read("kv/data/shop/stripe") for _ in range(20))
    results = await asyncio.gather(*reads, return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    assert asked == 1
    with pytest.raises(Unavailable):
        await client.read("kv/data/shop/stripe")
    assert asked == 2, "a later request tries again"
    await client.close()


async def test_log_contains_no_value_at_its_lowest_level(
    aws: AwsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3's libraries log bodies and signed headers at this level."""
    root, text = logging.getLogger(), io.StringIO()
    before = root.handlers, root.level
    monkeypatch.setattr(sys, "stderr", text)
    set_up_logging("debug")
    _Answering.content = json.dumps({"SecretString": SECRET, "VersionId": "1"}).encode()
    try:
        assert (await AwsSecretsManager(aws, GRANTS).read("shop/stripe", SHOP)).text == SECRET
        logging.getLogger("any").debug("it is on")
    finally:
        root.handlers, level = before
        root.setLevel(level)
        set_up_logging("warning")
        structlog.reset_defaults()
        root.handlers = before[0]
    assert "it is on" in text.getvalue()
    assert SECRET not in text.getvalue()


@pytest.mark.parametrize("settings", [{"endpoint_url": "rubbish"}, {"region": ""}, {"region": "eu central"}])
async def test_settings_that_the_library_refuses_are_named(tmp_path: Path, settings: dict[str, str]) -> None:
    file = tmp_path / "managers.yaml"
    file.write_text(json.dumps({"aws": {"region": "eu-central-1", **settings}}))
    with pytest.raises(GreenroomError, match="`aws` in GREENROOM_SECRETS_MANAGERS"):
        await check_managers(str(file))

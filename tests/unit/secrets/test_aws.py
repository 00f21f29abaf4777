"""Secrets from AWS Secrets Manager and Parameter Store, on moto's server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import boto3
import pytest
from botocore.stub import Stubber
from moto.server import ThreadedMotoServer

from bot.model.errors import Rejected, Unavailable
from bot.model.repository import Repository
from bot.secrets.aws import AwsClient, AwsParameters, AwsSecretsManager
from bot.secrets.provider_file import AwsSettings

SHOP = Repository(10, 20, "acme", "shop")
OTHER = Repository(11, 20, "acme", "other")
REGION = "eu-central-1"
GRANTS = {"shop/*": "acme/shop"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def client(endpoint: str) -> AwsClient:
    return AwsClient(AwsSettings(region=REGION, endpoint_url=endpoint))


@pytest.fixture(scope="module")
def first_version(endpoint: str) -> str:
    """Fills both services; returns the id of the first version of `shop/stripe`."""
    options = {"region_name": REGION, "endpoint_url": endpoint}
    options |= {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    manager, parameters = boto3.client("secretsmanager", **options), boto3.client("ssm", **options)
    created = manager.create_secret(Name="shop/stripe", SecretString="s3cret-first")
    manager.put_secret_value(SecretId="shop/stripe", SecretString="s3cret-second")
    manager.create_secret(Name="shop/mail", SecretString=json.dumps({"password": "s3cret-mail", "on": True}))
    manager.create_secret(Name="shop/binary", SecretBinary=b"\x00\x01")
    parameters.put_parameter(Name="/shop/key", Value="s3cret-one", Type="SecureString")
    parameters.put_parameter(Name="/shop/key", Value="s3cret-two", Type="SecureString", Overwrite=True)
    return str(created["VersionId"])


async def test_secrets_manager(client: AwsClient, first_version: str) -> None:
    secrets = AwsSecretsManager(client, GRANTS)
    assert (await secrets.read("shop/stripe", SHOP)).text == "s3cret-second"
    assert (await secrets.read("shop/stripe@AWSPREVIOUS", SHOP)).text == "s3cret-first"
    assert (await secrets.read(f"shop/stripe@{first_version}", SHOP)).text == "s3cret-first"
    assert (await secrets.read("shop/mail#password", SHOP)).text == "s3cret-mail"


async def test_only_a_version_id_pins_a_value_since_stages_move(
    client: AwsClient, first_version: str
) -> None:
    secrets, parameters = AwsSecretsManager(client, GRANTS), AwsParameters(client, GRANTS)
    pinned = await secrets.read(f"shop/stripe@{first_version}", SHOP)
    assert (pinned.version, pinned.pinned) == (first_version, True)
    for moving in ("shop/stripe", "shop/stripe@AWSPREVIOUS"):
        assert not (await secrets.read(moving, SHOP)).pinned
    assert (await parameters.read("/shop/key@1", SHOP)).pinned
    assert not (await parameters.read("/shop/key", SHOP)).pinned


@pytest.mark.usefixtures("first_version")
async def test_parameter_store(client: AwsClient) -> None:
    parameters = AwsParameters(client, GRANTS)
    assert (await parameters.read("/shop/key", SHOP)).text == "s3cret-two"
    assert (await parameters.read("/shop/key@1", SHOP)).text == "s3cret-one"
    for absent in ("/shop/none", "/shop/key@9"):
        with pytest.raises(Rejected, match="AWS has no parameter"):
            await parameters.read(absent, SHOP)


@pytest.mark.usefixtures("first_version")
@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("shop/none", "AWS has no secret shop/none"),
        ("shop/stripe@AWSPENDING", "in version AWSPENDING"),
        ("shop/mail#none", "not a JSON object with the key none"),
        ("shop/mail#on", "not text"),
        ("shop/stripe#key", "not a JSON object"),
        ("shop/binary", "not text"),
        ("shop/a b", "must be NAME"),
        ("other/stripe", "do not include it for acme/shop"),
    ],
)
async def test_secret_that_cannot_be_read_is_refused(client: AwsClient, reference: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason) as refused:
        await AwsSecretsManager(client, GRANTS).read(reference, SHOP)
    assert "s3cret" not in str(refused.value)


@pytest.mark.usefixtures("first_version")
async def test_secrets_are_for_granted_repositories(client: AwsClient) -> None:
    with pytest.raises(Rejected, match="acme/other"):
        await AwsSecretsManager(client, GRANTS).read("shop/stripe", OTHER)
    with pytest.raises(Rejected, match="acme/other"):
        await AwsParameters(client, GRANTS).read("/shop/key", OTHER)


async def test_unreachable_service_is_unavailable() -> None:
    client = AwsClient(AwsSettings(region=REGION, endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(Unavailable, match="does not answer"):
        await AwsParameters(client, GRANTS).read("/shop/key", SHOP)


async def test_requests_that_hang_leave_other_threads_free() -> None:
    """Webhooks are verified in threads, and hosts are looked up in them."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hanging.append(writer)
        connected.set()

    hanging: list[asyncio.StreamWriter] = []
    connected = asyncio.Event()
    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = AwsClient(AwsSettings(region=REGION, endpoint_url=f"http://127.0.0.1:{port}"))
        parameters = AwsParameters(client, GRANTS)
        reads = [asyncio.ensure_future(parameters.read("/shop/key", SHOP)) for _ in range(64)]
        await connected.wait()
        assert await asyncio.wait_for(asyncio.to_thread(lambda: True), 5)
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
        client.close()
        server.close()
        await asyncio.sleep(0.1)  # connections that were accepted last get their writer
        for writer in hanging:
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ValidationException", 400, Rejected),
        ("InvalidParameterException", 400, Rejected),
        ("UnrecognizedClientException", 400, Rejected),
        ("AccessDeniedException", 400, Rejected),
        ("ThrottlingException", 400, Unavailable),
        ("InternalServiceError", 500, Unavailable),
        ("Unknown", 503, Unavailable),
    ],
)
async def test_only_errors_that_pass_count_as_an_outage(
    client: AwsClient, code: str, status: int, expected: type[Exception]
) -> None:
    with Stubber(client._services["ssm"]) as stub:
        stub.add_client_error("get_parameter", code, http_status_code=status)
        with pytest.raises(expected):
            await AwsParameters(client, GRANTS).read("/shop/key", SHOP)


async def test_check_asks_only_services_with_grants_and_needs_no_right(endpoint: str) -> None:
    settings = AwsSettings(region=REGION, endpoint_url=endpoint, secrets=GRANTS)
    client = AwsClient(settings)
    with Stubber(client._services["secretsmanager"]) as manager, Stubber(client._services["ssm"]) as ssm:
        manager.add_client_error("get_secret_value", "AccessDeniedException")
        await client.check()
        manager.add_client_error("get_secret_value", "UnrecognizedClientException")
        with pytest.raises(Rejected, match="UnrecognizedClientException"):
            await client.check()
        ssm.assert_no_pending_responses()

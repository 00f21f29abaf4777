"""AWS Secrets Manager and Parameter Store in the life of an environment, on moto's server."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from bot.embedded.bot_process import free_port
from tests.story.conftest import Scenario, Site, operated, organize, secrets_only
from tests.story.disclosure import assert_not_kept
from tests.story.secret_behaviour import (
    FOLLOWING,
    Affected,
    Outage,
    Rotation,
    fork_gets_nothing,
    given_and_hidden,
    outage_delays_what_is_new,
    rotated_and_rolled_back,
    stops_before_anything_is_applied,
    together,
)

pytestmark = secrets_only

REGION = "eu-central-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
VALUE = f"sk_in_aws_{secrets.token_hex(4)}"


class Aws:
    """Requests of the account's administrator, and a server that can be stopped. It keeps its secrets."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()
        options = {"region_name": REGION, "endpoint_url": self.url}
        options |= {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.manager: Any = boto3.client("secretsmanager", **options)
        self.parameters: Any = boto3.client("ssm", **options)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def put(self, provider: str, name: str, value: str) -> str:
        """Creates or rotates a secret; returns its version."""
        if provider == "aws-ssm":
            parameter = {"Name": f"/{name}", "Value": value, "Type": "SecureString", "Overwrite": True}
            return str(self.parameters.put_parameter(**parameter)["Version"])
        try:
            return str(self.manager.put_secret_value(SecretId=name, SecretString=value)["VersionId"])
        except self.manager.exceptions.ResourceNotFoundException:
            return str(self.manager.create_secret(Name=name, SecretString=value)["VersionId"])


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    server = Aws()
    for provider in ("aws-sm", "aws-ssm"):
        for name in ("preview/stripe", "production/stripe"):
            server.put(provider, name, VALUE)
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def managed(site: Site, aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    grants = {"preview/*": "amazon/*"}
    settings = {"region": REGION, "endpoint_url": aws.url, "secrets": grants, "parameters": grants}
    file = tmp_path_factory.mktemp("managers") / "managers.yaml"
    file.write_text(yaml.safe_dump({"aws": settings}))
    await asyncio.to_thread(organize, site.world, "amazon")
    own = {"GREENROOM_SECRETS_MANAGERS": str(file), **FOLLOWING}
    async with operated(site, **own, **CREDENTIALS) as allowed:
        yield allowed


@pytest.fixture
async def shop(managed: Site) -> AsyncIterator[Scenario]:
    scenario = Scenario(managed, f"amazon/shop-{secrets.token_hex(3)}")
    yield scenario
    await scenario.end()


@pytest.fixture
async def other(managed: Site) -> AsyncIterator[Scenario]:
    scenario = Scenario(managed, f"amazon/shop-{secrets.token_hex(3)}")
    yield scenario
    await scenario.end()


async def test_value_is_given_and_hidden(shop: Scenario, other: Scenario) -> None:
    await together(
        given_and_hidden(shop, "aws-sm:preview/stripe", VALUE),
        given_and_hidden(other, "aws-ssm:preview/stripe", VALUE),
    )


async def test_long_value_of_several_lines_is_given_and_hidden(shop: Scenario, aws: Aws) -> None:
    lines = [secrets.token_hex(32) for _ in range(990)]
    value = "\n".join(lines)  # almost 64 KiB, the longest that Secrets Manager takes
    aws.put("aws-sm", "preview/long", value)
    await given_and_hidden(shop, "aws-sm:preview/long", value)
    await assert_not_kept(shop, *lines[:3], lines[-1])


async def test_not_granted_and_missing_stop_the_deployment(shop: Scenario) -> None:
    await stops_before_anything_is_applied(
        shop,
        A="aws-sm:production/stripe",
        B="aws-sm:preview/none",
        C="aws-ssm:production/stripe",
        D="aws-ssm:preview/none",
    )


async def test_rollback_keeps_what_was_rotated_unless_it_is_pinned(
    shop: Scenario, other: Scenario, aws: Aws
) -> None:
    values = ("sk_before_rotation", "sk_after_rotation")

    def rotation(provider: str) -> Rotation:
        name = f"preview/{secrets.token_hex(3)}"
        version, reference = aws.put(provider, name, values[0]), f"{provider}:{name}"
        pinned = f"{reference}@{version}"
        return Rotation(reference, pinned, values, lambda _: aws.put(provider, name, values[1]), version)

    await together(
        rotated_and_rolled_back(shop, rotation("aws-sm")), rotated_and_rolled_back(other, rotation("aws-ssm"))
    )


async def test_outage_delays_what_is_new_and_leaves_what_runs(
    shop: Scenario, other: Scenario, aws: Aws
) -> None:
    await outage_delays_what_is_new(
        Outage(lambda _: aws.stop(), lambda _: aws.start()),
        VALUE,
        Affected(shop, "aws-sm:preview/stripe", "AWS (secretsmanager) does not answer"),
        Affected(other, "aws-ssm:preview/stripe", "AWS (ssm) does not answer"),
    )


async def test_fork_gets_nothing(shop: Scenario) -> None:
    await fork_gets_nothing(shop, "aws-sm:preview/stripe", "aws-ssm:preview/stripe")

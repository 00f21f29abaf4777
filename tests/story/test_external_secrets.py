"""The External Secrets Operator reads values for environments; Greenroom waits for it and hides them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.cluster.client.kinds import SECRET
from tests.story.conftest import Scenario, Site, operated, organize, secrets_only
from tests.story.disclosure import assert_never_shown
from tests.story.operators import Administrator, external_secrets
from tests.story.secret_samples import digest_of, files, opened, serves
from tests.unit.cli.process import run_process

pytestmark = secrets_only

GRANTED = {"GREENROOM_SECRET_STORES": "stored/*=fake", "GREENROOM_SECRETS_INTERVAL": "3s"}
VALUE = f"sk_in_the_store_{secrets.token_hex(4)}"


def store(name: str = "fake", **values: str) -> dict[str, Any]:
    data = [{"key": key, "value": value} for key, value in values.items()]
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": name},
        "spec": {"provider": {"fake": {"data": data}}},
    }


@pytest.fixture(scope="module")
async def administrator(site: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Administrator]:
    administrator = Administrator(site)
    with external_secrets(administrator, tmp_path_factory.mktemp("external")):
        administrator.apply(store(mail=VALUE), store("other", mail="sk_of_another_store"))
        administrator.allow(site, **GRANTED)
        await asyncio.to_thread(organize, site.world, "stored")
        yield administrator


@pytest.fixture(scope="module")
async def granted(site: Site, administrator: Administrator) -> AsyncIterator[Site]:
    async with operated(site, **GRANTED) as granted:
        yield granted


@pytest.fixture
async def shop(granted: Site) -> AsyncIterator[Scenario]:
    scenario = Scenario(granted, f"stored/shop-{secrets.token_hex(3)}")
    yield scenario
    await scenario.end()


async def referring(scenario: Scenario, reference: bytes, *, leaks: bool = False) -> int:
    return await opened(scenario, b"TOKEN: '%s'" % reference, leaks=leaks)


async def test_value_of_a_granted_store_is_given_and_hidden(shop: Scenario) -> None:
    number = await referring(shop, b"eso:fake/mail", leaks=True)
    await shop.comment_with(number, "its checks failed", "`leak`")
    assert (await shop.page(number)).text == digest_of(VALUE)
    [shown] = shop.github.checks.runs(shop.repository, name="greenroom/leak")
    assert "refused: [hidden]" in str(shown.output.text)
    await assert_never_shown(shop, number, VALUE)


async def test_other_stores_are_refused_before_anything_is_applied(shop: Scenario) -> None:
    number = await referring(shop, b"eso:other/mail")
    await shop.comment_with(number, "GREENROOM_SECRET_STORES does not grant the ClusterSecretStore other")
    assert await shop.namespaces() == []


async def test_missing_value_waits_with_the_words_of_the_operator(
    shop: Scenario, administrator: Administrator
) -> None:
    number = await referring(shop, b"eso:fake/late")
    await shop.comment_with(number, "ExternalSecret greenroom-external", "could not get secret data")
    administrator.apply(store(mail=VALUE, late="sk_that_came_late"))
    refresh(administrator, shop.namespace(number))
    await shop.wait_until_ready(number)
    assert (await shop.page(number)).text == digest_of("sk_that_came_late")


async def test_rotated_value_replaces_pods(shop: Scenario, administrator: Administrator) -> None:
    administrator.apply(store(mail=VALUE, rotated="sk_before_rotation"))
    number = await referring(shop, b"eso:fake/rotated")
    await shop.wait_until_ready(number)
    administrator.apply(store(mail=VALUE, rotated="sk_after_rotation"))
    await serves(shop, number, "sk_after_rotation", lambda: refresh(administrator, shop.namespace(number)))
    done = await asyncio.to_thread(run_process, "why", f"{shop.repository}#{number}", **shop.site.settings)
    assert "changed. Pods are replaced" in done.stdout


async def test_fork_gets_nothing_from_a_store(shop: Scenario) -> None:
    await shop.create(files(shop, b"TOKEN: 'eso:fake/mail'"))
    number = await shop.fork({"sentence.txt": b"M"})
    await shop.comment_with(number, "This pull request has no preview")
    await shop.world.builder.build(shop.repository, shop.head(number), files(shop, b""))
    await shop.comment(number, "/preview")
    await shop.comment_with(number, "A fork gets no secrets", "is ready")
    listed = await shop.world.client.list(SECRET, shop.namespace(number))
    assert [item for item in listed.items if "external" in item["metadata"]["name"]] == []


def refresh(administrator: Administrator, namespace: str) -> None:
    """Makes the operator read again at once, not within its interval."""
    words = ("annotate", "externalsecrets", "--all", "--overwrite", f"force-sync={secrets.token_hex(4)}")
    administrator.kubectl(*words, f"--namespace={namespace}")

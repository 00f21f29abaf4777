"""The External Secrets Operator reads values for environments; Greenroom waits for it and hides them."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from bot.cluster.client.kinds import SECRET
from tests.kubernetes.vault import Vault, vault
from tests.story.conftest import PATIENCE_SECONDS, Scenario, Site, operated, organize, secrets_only
from tests.story.operators import Administrator, external_secrets
from tests.story.secret_behaviour import (
    FOLLOWING,
    Affected,
    Outage,
    Rotation,
    fork_gets_nothing,
    given_and_hidden,
    hidden,
    outage_delays_what_is_new,
    rotated_and_rolled_back,
)
from tests.story.secret_samples import digest_of, opened, using
from tests.unit.cli.process import run_process

pytestmark = secrets_only

GRANTED = {"GREENROOM_SECRET_STORES": "stored/*=fake,stored/*=vault", **FOLLOWING}
VALUE = f"sk_in_the_store_{secrets.token_hex(4)}"
READ = """
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: stripe}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: STORE}
  data: [{secretKey: TOKEN, remoteRef: {key: mail}}]
"""


def store(name: str, **provider: Any) -> dict[str, Any]:
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": name},
        "spec": {"provider": provider},
    }


def fake(name: str = "fake", **values: str) -> dict[str, Any]:
    """A store with these values."""
    return store(name, fake={"data": [{"key": key, "value": value} for key, value in values.items()]})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    with vault(tmp_path_factory.mktemp("vault") / "vault") as server:
        server.policy("operator", "read kv/data/preview/*")
        server.write("kv/data/preview/stripe", data={"key": VALUE})
        yield server


@pytest.fixture(scope="module")
async def administrator(
    site: Site, server: Vault, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Administrator]:
    administrator = Administrator(site)
    with external_secrets(administrator, tmp_path_factory.mktemp("external")):
        login = ("--namespace=default", f"--from-literal=token={server.token(policies=['operator'])}")
        administrator.kubectl("create", "secret", "generic", "vault", *login)
        token = {"name": "vault", "namespace": "default", "key": "token"}
        read = {"server": server.address, "path": "kv", "version": "v2", "auth": {"tokenSecretRef": token}}
        administrator.apply(
            fake(mail=VALUE), fake("other", mail="sk_of_another_store"), store("vault", vault=read)
        )
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


async def test_value_of_a_granted_store_is_given_and_hidden(shop: Scenario) -> None:
    await given_and_hidden(shop, "eso:fake/mail", VALUE)


async def test_other_stores_are_refused_before_anything_is_applied(shop: Scenario) -> None:
    number = await opened(shop, b"TOKEN: 'eso:other/mail'")
    await shop.comment_with(number, "GREENROOM_SECRET_STORES does not grant the ClusterSecretStore other")
    assert await shop.namespaces() == []


async def test_external_secret_in_manifests_reads_granted_stores_alone(shop: Scenario) -> None:
    await shop.create(using(shop, "stripe", leaks=True))
    refused = {"deploy/stripe.yaml": READ.replace("STORE", "other").encode()}
    number = await shop.open("external", refused)
    await shop.comment_with(number, "`GREENROOM_SECRET_STORES` does not grant this store to the repository")
    own = READ.replace("STORE", "fake").replace("kind: ClusterSecretStore", "kind: SecretStore")
    await shop.push("external", {"deploy/stripe.yaml": own.encode()})
    await shop.comment_with(number, shop.head(number)[:7], "the operator defines stores")
    assert await shop.namespaces() == []
    await shop.push("external", {"deploy/stripe.yaml": READ.replace("STORE", "fake").encode()})
    await shop.comment_with(number, shop.head(number)[:7], "its checks failed", "`leak`")
    assert (await shop.page(number)).text == digest_of(VALUE)
    await hidden(shop, number, VALUE)


async def test_missing_value_waits_with_the_words_of_the_operator(
    shop: Scenario, administrator: Administrator
) -> None:
    number = await opened(shop, b"TOKEN: 'eso:fake/late'")
    await shop.comment_with(number, "ExternalSecret greenroom-external", "could not get secret data")
    administrator.apply(fake(mail=VALUE, late="sk_that_came_late"))
    refresh(administrator, shop.namespace(number))
    await shop.wait_until_ready(number)
    assert (await shop.page(number)).text == digest_of("sk_that_came_late")


async def test_rollback_keeps_what_was_rotated(shop: Scenario, administrator: Administrator) -> None:
    first, second = "sk_before_rotation", "sk_after_rotation"
    administrator.apply(fake(mail=VALUE, rotated=first))

    def rotate(namespace: str) -> str:
        administrator.apply(fake(mail=VALUE, rotated=second))
        until_made(administrator, namespace, second)
        return ""  # the operator shows no version

    await rotated_and_rolled_back(shop, Rotation("eso:fake/rotated", "", (first, second), rotate))


async def test_outage_of_the_store_delays_what_is_new_and_leaves_what_runs(
    shop: Scenario, administrator: Administrator, server: Vault
) -> None:
    def stop(namespaces: Sequence[str]) -> None:
        server.seal()
        refresh(administrator, namespaces[0])

    def start(namespaces: Sequence[str]) -> None:
        server.unseal()
        until_made(administrator, namespaces[0], VALUE)

    reason = "could not get secret data from provider"
    affected = Affected(shop, "eso:vault/preview/stripe#key", reason)
    await outage_delays_what_is_new(Outage(stop, start), VALUE, affected)


async def test_doctor_names_granted_stores_that_do_not_work(
    granted: Site, administrator: Administrator
) -> None:
    words = (
        "clustersecretstores",
        "fake",
        "vault",
        "--for=condition=Ready",
        f"--timeout={PATIENCE_SECONDS}s",
    )
    administrator.kubectl("wait", *words)
    assert await doctor_on(granted) == ("passed", "ready: fake, vault")
    login = {"tokenSecretRef": {"name": "absent", "namespace": "default", "key": "token"}}
    read = {"server": "http://127.0.0.1:9", "path": "kv", "version": "v2", "auth": login}
    administrator.apply(store("broken", vault=read))
    stores = {"GREENROOM_SECRET_STORES": "stored/*=fake,stored/*=broken,stored/*=absent"}
    state, hidden = await doctor_on(granted, **stores)
    assert state == "failed"
    assert hidden.count("Apply the output of `greenroom rights`") == 2, "the right is for named stores"
    assert "fake" not in hidden

    administrator.allow(granted, **stores)
    until_judged(administrator, "broken")
    _, problems = await doctor_on(granted, **stores)
    absent, broken = problems.splitlines()
    assert "ClusterSecretStore absent does not exist" in absent
    assert "ClusterSecretStore broken is not ready: " in broken
    administrator.allow(granted, **GRANTED)


async def test_lost_grant_stops_what_is_new_and_leaves_what_runs_and_other_stores(
    shop: Scenario, granted: Site
) -> None:
    number = await opened(shop, b"TOKEN: 'eso:fake/mail'")
    await shop.wait_until_ready(number)
    async with operated(granted, GREENROOM_SECRET_STORES="stored/*=vault") as narrower:
        await shop.push("spring", {"sentence.txt": b"Summer."})
        refusal = "GREENROOM_SECRET_STORES does not grant the ClusterSecretStore fake"
        await shop.comment_with(number, shop.head(number)[:7], refusal)
        assert (await shop.page(number)).text == digest_of(VALUE)
        other = Scenario(narrower, f"stored/shop-{secrets.token_hex(3)}")
        await given_and_hidden(other, "eso:vault/preview/stripe#key", VALUE)
        await other.end()
    await shop.push("spring", {"sentence.txt": b"Autumn."})
    await shop.wait_until_ready(number)


async def test_fork_gets_nothing(shop: Scenario) -> None:
    number = await fork_gets_nothing(shop, "eso:fake/mail")
    listed = await shop.world.client.list(SECRET, shop.namespace(number))
    assert [item for item in listed.items if "external" in item["metadata"]["name"]] == []


async def doctor_on(site: Site, **settings: str) -> tuple[str, str]:
    """What the doctor finds about stores, with the bot's own rights."""
    done = await asyncio.to_thread(run_process, "doctor", "--json", **{**site.settings, **settings})
    [stores] = [finding for finding in json.loads(done.stdout) if finding["name"] == "secret stores"]
    return stores["state"], stores["message"]


def until_judged(administrator: Administrator, name: str) -> None:
    """Waits until the operator has looked at the store."""
    administrator.kubectl(
        "wait", f"clustersecretstore/{name}", "--for=condition=Ready=false", f"--timeout={PATIENCE_SECONDS}s"
    )


def refresh(administrator: Administrator, namespace: str) -> None:
    """Makes the operator look at stores and read again at once: its pauses grow with each failure."""
    changed = ("--all", "--overwrite", f"force-sync={secrets.token_hex(4)}")
    administrator.kubectl("annotate", "clustersecretstores", *changed)
    administrator.kubectl("annotate", "externalsecrets", *changed, f"--namespace={namespace}")


def until_made(administrator: Administrator, namespace: str, value: str) -> None:
    """Waits until the operator has written the value, and reports that it succeeded."""
    deadline, namespaced = time.monotonic() + PATIENCE_SECONDS, f"--namespace={namespace}"
    kinds = "clustersecretstores,externalsecrets"
    while not _is_made(administrator, namespace, value):
        assert time.monotonic() < deadline, administrator.kubectl("describe", kinds, namespaced)
        refresh(administrator, namespace)
        time.sleep(2)


def _is_made(administrator: Administrator, namespace: str, value: str) -> bool:
    kinds = "secrets,externalsecrets"
    listed = json.loads(administrator.kubectl("get", kinds, f"--namespace={namespace}", "--output=json"))
    encoded = base64.b64encode(value.encode()).decode()
    written = any(encoded in (item.get("data") or {}).values() for item in listed["items"])
    states = [
        condition["status"]
        for item in listed["items"]
        for condition in (item.get("status") or {}).get("conditions") or ()
        if item["kind"] == "ExternalSecret" and condition["type"] == "Ready"
    ]
    return written and states == ["True"]

"""SealedSecrets in manifests are opened by their controller where they were sealed for."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from bot.cluster.client.kinds import SECRET
from tests.story.conftest import Scenario, Site, new_scenario, operated, secrets_only
from tests.story.disclosure import assert_never_shown
from tests.story.operators import Administrator, Seals, sealed_secrets
from tests.story.secret_samples import digest_of, files

pytestmark = secrets_only

ALLOWED = {"GREENROOM_ALLOWED_KINDS": "sealedsecrets.bitnami.com/v1alpha1=SealedSecret"}
CLUSTER_WIDE = b"sealedsecrets.bitnami.com/cluster-wide"
USED = b"""          envFrom: [{secretRef: {name: stripe}}]
          image:"""


@pytest.fixture(scope="module")
async def sealed(site: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Site, Seals]]:
    administrator = Administrator(site)
    with sealed_secrets(administrator, tmp_path_factory.mktemp("seals")) as seals:
        administrator.allow(site, **ALLOWED)
        async with operated(site, **ALLOWED) as allowed:
            yield allowed, seals


@pytest.fixture
async def shop(sealed: tuple[Site, Seals]) -> AsyncIterator[Scenario]:
    async with new_scenario(sealed[0]) as scenario:
        await scenario.create(application(scenario))
        yield scenario


def application(scenario: Scenario, *, leaks: bool = False) -> dict[str, bytes]:
    sample = files(scenario, b"", leaks=leaks)
    return {**sample, "deploy/hello.yaml": sample["deploy/hello.yaml"].replace(b"          image:", USED)}


async def test_cluster_wide_seal_is_opened_in_a_preview_and_hidden(
    shop: Scenario, sealed: tuple[Site, Seals]
) -> None:
    value = f"sk_sealed_{secrets.token_hex(6)}"
    manifest = sealed[1].seal("stripe", value, "cluster-wide")
    await shop.push("main", application(shop, leaks=True))
    number = await shop.open("seal", {"deploy/stripe.yaml": manifest})
    await shop.comment_with(number, "its checks failed", "`leak`")
    assert (await shop.page(number)).text == digest_of(value)
    [shown] = shop.github.checks.runs(shop.repository, name="greenroom/leak")
    assert "refused: [hidden]" in str(shown.output.text)
    await assert_never_shown(shop, number, value)


async def test_seal_for_another_namespace_is_explained_before_anything_is_applied(
    shop: Scenario, sealed: tuple[Site, Seals]
) -> None:
    manifest = sealed[1].seal("stripe", "sk_for_production", "strict", "shop-production")
    number = await shop.open("strict", {"deploy/stripe.yaml": manifest})
    await shop.comment_with(
        number, "sealed for namespace shop-production", "seal it cluster-wide for previews"
    )
    assert await shop.namespaces() == []


async def test_failure_of_the_controller_is_quoted(shop: Scenario, sealed: tuple[Site, Seals]) -> None:
    manifest = sealed[1].seal("other", "sk_of_another_name", "strict", "shop-production")
    wrong = manifest.replace(b"shop-production", b"default").replace(
        b"  name: other",
        b"  annotations: {sealedsecrets.bitnami.com/cluster-wide: 'true'}\n  name: stripe",
        1,
    )
    number = await shop.open("wrong", {"deploy/stripe.yaml": wrong})
    await shop.comment_with(number, "SealedSecret stripe: no key could decrypt secret")


async def test_fork_gets_no_sealed_secret(shop: Scenario, sealed: tuple[Site, Seals]) -> None:
    manifest = sealed[1].seal("stripe", "sk_not_for_forks", "cluster-wide")
    number = await shop.fork({"deploy/stripe.yaml": manifest})
    await shop.comment_with(number, "This pull request has no preview")
    await shop.world.builder.build(shop.repository, shop.head(number), application(shop))
    await shop.comment(number, "/preview")
    await shop.comment_with(number, "SealedSecret/stripe", "which a fork does not get")
    assert await shop.world.client.find(SECRET, "stripe", shop.namespace(number)) is None

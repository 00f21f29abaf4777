"""SealedSecrets in manifests are opened by their controller where they were sealed for."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from bot.cluster.client.kinds import SECRET
from bot.config.loader import CONFIG_FILE
from bot.model.naming import namespace_name
from tests.story.conftest import Scenario, Site, new_scenario, operated, secrets_only
from tests.story.operators import Administrator, Seals, sealed_secrets
from tests.story.secret_behaviour import FOLLOWING, hidden, promoted, stage_serves
from tests.story.secret_samples import digest_of, using
from tests.story.stages import staged

pytestmark = secrets_only

ALLOWED = {"GREENROOM_ALLOWED_KINDS": "sealedsecrets.bitnami.com/v1alpha1=SealedSecret", **FOLLOWING}
CLUSTER_WIDE = b"sealedsecrets.bitnami.com/cluster-wide"
CANARY = """
stages:
  production: {automatic: true, checks: [{http: /}], rollout: {canary: {steps: [50, 100], interval: 1s}}}
"""
BLUE_GREEN = """
stages:
  production: {automatic: true, checks: [{http: /}], rollout: {blue_green: {keep: 1s}}}
"""
"""It also has a candidate with copies of the configuration, and needs no requests of users."""


@pytest.fixture(scope="module")
async def sealed(site: Site, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Site, Seals]]:
    administrator = Administrator(site)
    with sealed_secrets(administrator, tmp_path_factory.mktemp("seals")) as seals:
        administrator.allow(site, **ALLOWED)
        async with operated(site, **ALLOWED) as allowed:
            yield allowed, seals


@pytest.fixture
def seals(sealed: tuple[Site, Seals]) -> Seals:
    return sealed[1]


@pytest.fixture
async def shop(sealed: tuple[Site, Seals]) -> AsyncIterator[Scenario]:
    async with new_scenario(sealed[0]) as scenario:
        await scenario.create(using(scenario, "stripe"))
        yield scenario


async def test_cluster_wide_seal_is_opened_in_a_preview_and_hidden(shop: Scenario, seals: Seals) -> None:
    value = f"sk_sealed_{secrets.token_hex(6)}"
    manifest = seals.seal("stripe", value, "cluster-wide")
    await shop.push("main", using(shop, "stripe", leaks=True))
    number = await shop.open("seal", {"deploy/stripe.yaml": manifest})
    await shop.comment_with(number, "its checks failed", "`leak`")
    assert (await shop.page(number)).text == digest_of(value)
    await hidden(shop, number, value)


async def test_seal_for_another_namespace_is_explained_before_anything_is_applied(
    shop: Scenario, seals: Seals
) -> None:
    manifest = seals.seal("stripe", "sk_for_production", "strict", "shop-production")
    number = await shop.open("strict", {"deploy/stripe.yaml": manifest})
    await shop.comment_with(
        number, "sealed for namespace shop-production", "seal it cluster-wide for previews"
    )
    assert await shop.namespaces() == []


async def test_failure_of_the_controller_is_quoted(shop: Scenario, seals: Seals) -> None:
    manifest = seals.seal("other", "sk_of_another_name", "strict", "shop-production")
    wrong = manifest.replace(b"shop-production", b"default").replace(
        b"  name: other",
        b"  annotations: {sealedsecrets.bitnami.com/cluster-wide: 'true'}\n  name: stripe",
        1,
    )
    number = await shop.open("wrong", {"deploy/stripe.yaml": wrong})
    await shop.comment_with(number, "SealedSecret stripe: no key could decrypt secret")


async def test_fork_gets_no_sealed_secret(shop: Scenario, seals: Seals) -> None:
    manifest = seals.seal("stripe", "sk_not_for_forks", "cluster-wide")
    number = await shop.fork({"deploy/stripe.yaml": manifest})
    await shop.comment_with(number, "This pull request has no preview")
    await shop.world.builder.build(shop.repository, shop.head(number), using(shop, "stripe"))
    await shop.comment(number, "/preview")
    await shop.comment_with(number, "SealedSecret/stripe", "which a fork does not get")
    assert await shop.world.client.find(SECRET, "stripe", shop.namespace(number)) is None


async def test_value_is_pinned_by_its_commit(shop: Scenario, seals: Seals) -> None:
    """A rotation is a commit, so a rollback restores the value before."""
    before, after = (
        {"deploy/stripe.yaml": seals.seal("stripe", value, "cluster-wide")}
        for value in ("sk_before_rotation", "sk_after_rotation")
    )
    async with staged(shop, None) as stages:
        stages.application = using(shop, "stripe")
        await stages.configure("\nstages: {staging: {}}\n")
        number = await shop.open("seal", before)
        await promoted(stages, number)
        await stage_serves(stages, "sk_before_rotation")
        await shop.push("seal", after)
        await promoted(stages, number)
        await stage_serves(stages, "sk_after_rotation")
        await stages.comment(number, "/rollback staging")
        await stages.comment_with(number, "↩️ ada rolled **staging** back")
        await stage_serves(stages, "sk_before_rotation")


async def test_strict_seal_works_in_its_stage_and_a_candidate_needs_a_namespace_wide_one(
    shop: Scenario, seals: Seals
) -> None:
    async with staged(shop, None) as stages:
        namespace = namespace_name(stages.key("production"), stages.repository)
        before, after = (
            {"deploy/stripe.yaml": seals.seal("stripe", value, "strict", namespace)}
            for value in ("sk_of_production", "sk_of_the_canary")
        )
        stages.application = {**using(shop, "stripe"), **before}
        await stages.configure(CANARY)
        await stage_serves(stages, "sk_of_production", "production")
        number = await shop.open("rotated", after)
        await shop.comment_with(number, f"sealed for namespace {namespace}")
        await stages.merge(number, "merge")
        await stages.comment_with(number, "The SealedSecret stripe changes, and it is sealed for its name")
        assert (await stages.page("production")).text == digest_of("sk_of_production")

        await stages.comment(number, "/unhold production")
        await stages.comment_with(number, "▶️ Automatic promotions to `production` are allowed again")
        wide = seals.seal("stripe", "sk_namespace_wide", "namespace-wide", namespace)
        switched = stages.application[CONFIG_FILE] + BLUE_GREEN.encode()
        number = await shop.open("wide", {"deploy/stripe.yaml": wide, CONFIG_FILE: switched})
        await shop.comment_with(number, f"sealed for namespace {namespace}")
        await stages.merge(number, "merge")
        await stage_serves(stages, "sk_namespace_wide", "production")


async def test_stopped_controller_delays_what_is_new_and_leaves_what_runs(
    shop: Scenario, seals: Seals
) -> None:
    number = await shop.open("seal", {"deploy/stripe.yaml": seals.seal("stripe", "sk_first", "cluster-wide")})
    await shop.wait_until_ready(number)
    with seals.stopped():
        await shop.push("seal", {"deploy/stripe.yaml": seals.seal("stripe", "sk_second", "cluster-wide")})
        await shop.comment_with(number, shop.head(number)[:7], "waiting for its controller")
        assert (await shop.page(number)).text == digest_of("sk_first")
    await shop.wait_until_ready(number)
    assert (await shop.page(number)).text == digest_of("sk_second")

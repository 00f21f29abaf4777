"""Secrets that exist only with the namespace: the phases run again once their values are known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.environments.handler import EnvironmentHandler
from bot.environments.policy import Policy
from bot.environments.ports import Fence
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.errors import Rejected, Unavailable
from bot.model.repository import Repository
from bot.model.secret import DynamicReference, Lease
from bot.store import Store
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import CONFIGURATION, Harness

PATH, OTHER_PATH = "database/creds/shop", "database/creds/stock"
CONFIGURED = (
    CONFIGURATION + f"preview: {{secrets: {{DB_USER: 'vault-dynamic:{PATH}#username', MAIL: 'env:MAIL'}}}}\n"
)
HOUR = timedelta(hours=1)


class Issuer:
    """Issues numbered credentials for an hour, which can be extended while `extensible`."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.issued = 0
        self.valid: set[str] = set()
        self.extensible = True
        self.down = False
        self.refusal = ""
        self.revocable = True
        self.username = "v-shop-{number}"

    def resolve(self, path: str, repository: Repository) -> DynamicReference:
        role, _, field = path.partition("#")
        if role not in (PATH, OTHER_PATH):
            raise Rejected("not granted")
        return DynamicReference(role, field)

    async def issue(self, path: str) -> Lease:
        self._answer()
        if self.refusal:
            raise Rejected(self.refusal)
        self.issued += 1
        lease, now = f"{path}/{self.issued}", self.clock()
        self.valid.add(lease)
        return Lease(
            lease, path, now, now + HOUR, HOUR, {"username": self.username.format(number=self.issued)}
        )

    async def renew(self, lease: Lease) -> timedelta:
        self._answer()
        return HOUR if self.extensible else lease.expires_at - self.clock()

    async def revoke(self, lease: Lease) -> None:
        self._answer()
        if not self.revocable:
            raise Rejected("the policy of Greenroom's token needs `update` on sys/leases/revoke")
        self.valid.discard(lease.id)

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("Vault does not answer")


class Objects:
    def __init__(self) -> None:
        self.kept: Sequence[Lease] = ()
        self.records = 0
        self.down_after = 100
        """Records until the cluster does not answer."""

    async def made(self, namespace: str) -> Mapping[str, Mapping[str, str]]:
        return {}

    async def leases(self, namespace: str) -> Sequence[Lease]:
        return self.kept

    async def keep_leases(
        self,
        namespace: str,
        environment: EnvironmentKey,
        repository: Repository,
        leases: Sequence[Lease],
        fence: Fence,
    ) -> None:
        await fence()
        self.records += 1
        if self.records > self.down_after:
            raise Unavailable("the cluster does not answer")
        self.kept = tuple(leases)


class IssuingHarness(Harness):
    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.issuer = Issuer(clock)
        self.objects = Objects()
        super().__init__(store, clock, credentials=self.issuer, secret_objects=self.objects)


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[IssuingHarness]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    harness = IssuingHarness(store, clock)
    harness.github.configuration = CONFIGURED
    harness.secrets.values = {"MAIL": "hunter22"}
    yield harness
    await store.close()


async def settle(harness: IssuingHarness) -> None:
    await harness.run()
    await harness.again()


async def test_credentials_are_issued_once_and_injected(harness: IssuingHarness) -> None:
    await settle(harness)
    assert (await harness.status()).state is EnvironmentState.READY
    assert harness.cluster.injected == [{"DB_USER": "v-shop-1", "MAIL": "hunter22"}]
    await settle(harness)
    assert harness.issuer.issued == 1
    issued = [reason for action, reason in await harness.journal() if action == "secrets"]
    assert issued == [f"Vault issued credentials of `{PATH}` for this environment."]
    status = await harness.status()
    assert "v-shop-1" not in repr(status)
    assert sorted(status.secrets) == ["DB_USER", "MAIL"], "all that it runs with"


async def test_ending_credentials_are_replaced_and_then_revoked(harness: IssuingHarness) -> None:
    await settle(harness)
    harness.issuer.extensible = False
    harness.clock.advance(45 * 60)
    await settle(harness)
    assert harness.cluster.injected[-1]["DB_USER"] == "v-shop-2"
    assert harness.issuer.valid == {f"{PATH}/2"}


async def test_outage_keeps_what_runs_and_delays_what_is_new(harness: IssuingHarness) -> None:
    harness.issuer.down = True
    await settle(harness)
    assert harness.cluster.injected == []
    assert (await harness.status()).state is not EnvironmentState.READY
    harness.issuer.down = False
    harness.clock.advance(120)
    await settle(harness)
    assert (await harness.status()).state is EnvironmentState.READY
    harness.issuer.down = True
    await settle(harness)
    assert (await harness.status()).state is EnvironmentState.READY


async def test_teardown_revokes(harness: IssuingHarness) -> None:
    await settle(harness)
    harness.pull(open=False)
    await harness.run()
    assert harness.issuer.valid == set()


BOTH = CONFIGURED.replace("MAIL: 'env:MAIL'", f"STOCK: 'vault-dynamic:{OTHER_PATH}#username'")


async def test_outage_between_two_roles_loses_no_credentials(harness: IssuingHarness) -> None:
    """Each is recorded before the next is issued: also a killed bot knows what to revoke."""
    harness.github.configuration = BOTH
    issue = harness.issuer.issue

    async def once(path: str) -> Lease:
        lease = await issue(path)
        harness.issuer.down = True
        return lease

    harness.issuer.issue = once  # type: ignore[method-assign]
    await settle(harness)
    [first] = harness.objects.kept
    assert harness.issuer.valid == {first.id}
    harness.issuer.down, harness.issuer.issue = False, issue  # type: ignore[method-assign]
    harness.clock.advance(120)
    await settle(harness)
    assert (await harness.status()).state is EnvironmentState.READY
    assert {lease.id for lease in harness.objects.kept} == harness.issuer.valid
    assert harness.issuer.issued == 2, "the first ones are used"


async def test_credentials_that_cannot_be_recorded_are_revoked(harness: IssuingHarness) -> None:
    harness.github.configuration = BOTH
    harness.objects.down_after = 1
    await settle(harness)
    assert {lease.id for lease in harness.objects.kept} == harness.issuer.valid
    assert len(harness.issuer.valid) == 1


async def test_shutdown_waits_until_credentials_are_recorded(harness: IssuingHarness) -> None:
    issue, issued = harness.issuer.issue, asyncio.Event()

    async def slow(path: str) -> Lease:
        lease = await issue(path)
        issued.set()
        await asyncio.sleep(0.05)
        return lease

    harness.issuer.issue = slow  # type: ignore[method-assign]
    run = asyncio.ensure_future(harness.run())
    await issued.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert {lease.id for lease in harness.objects.kept} == harness.issuer.valid


async def test_refused_revocation_does_not_keep_an_environment_from_being_ready(
    harness: IssuingHarness,
) -> None:
    await settle(harness)
    harness.issuer.extensible = harness.issuer.revocable = False
    harness.clock.advance(45 * 60)
    await settle(harness)
    assert (await harness.status()).state is EnvironmentState.READY
    assert harness.cluster.injected[-1]["DB_USER"] == "v-shop-2"
    assert len(harness.objects.kept) == 2, "both are known"
    harness.issuer.revocable = True
    harness.clock.advance(60)
    await harness.again()
    assert harness.issuer.valid == {f"{PATH}/2"}


async def test_credentials_that_nothing_can_revoke_any_more_are_in_the_timeline(
    harness: IssuingHarness,
) -> None:
    await settle(harness)
    harness.issuer.revocable = False
    harness.pull(open=False)
    await harness.run()
    left = [reason for action, reason in await harness.journal() if action == "secrets"]
    assert f"`{PATH}`" in left[-1]
    assert "needs `update` on sys/leases/revoke" in left[-1]


async def test_credentials_of_a_removed_setting_are_in_the_timeline_when_their_environment_ends(
    harness: IssuingHarness,
) -> None:
    await settle(harness)
    ports = replace(harness.ports, credentials=None)
    harness.reconciler = EnvironmentHandler(ports, Policy())
    harness.pull(open=False)
    await harness.run()
    left = [reason for action, reason in await harness.journal() if action == "secrets"]
    assert "vault.dynamic_token_file is no longer set" in left[-1]


@pytest.mark.parametrize(("username", "problem"), [("v1", "shorter than 6"), ("v-\0-shop", "not text")])
async def test_issued_value_that_cannot_be_hidden_is_refused(
    harness: IssuingHarness, username: str, problem: str
) -> None:
    harness.issuer.username = username
    await settle(harness)
    status = await harness.status()
    assert status.cause is not None
    assert f"DB_USER: {problem}" in status.cause.detail
    assert username not in status.cause.detail
    assert harness.cluster.injected == []


async def test_refused_credentials_are_requested_again_without_a_push(harness: IssuingHarness) -> None:
    harness.issuer.refusal = "Vault issues no credentials at database/creds/shop (status 400)"
    await settle(harness)
    status = await harness.status()
    assert status.cause is not None
    assert (status.cause.retried, status.cause.detail) == (True, f"{harness.issuer.refusal}.")
    assert "secret `DB_USER` is unavailable" in status.cause.summary
    harness.issuer.refusal = ""
    harness.clock.advance(60)
    await settle(harness)
    assert (await harness.status()).state is EnvironmentState.READY


async def test_unknown_field_blocks_the_deployment(harness: IssuingHarness) -> None:
    harness.github.configuration = CONFIGURED.replace("#username", "#user")
    await settle(harness)
    status = await harness.status()
    assert status.state is EnvironmentState.FAILED
    assert status.cause is not None
    assert "it has username" in status.cause.detail
    assert harness.cluster.injected == []


async def test_environment_looks_again_for_rotated_secrets(harness: IssuingHarness) -> None:
    harness.github.configuration = CONFIGURED.replace(f"vault-dynamic:{PATH}#username", "env:USER")
    harness.secrets.values["USER"] = "v-shop-0"
    await settle(harness)
    harness.secrets.values["USER"] = "v-shop-9"
    harness.clock.advance(60)
    await harness.again()  # without a hint
    assert harness.cluster.injected[-1]["DB_USER"] == "v-shop-9"

"""Secrets that exist only with the namespace: the phases run again once their values are known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from bot.environments.ports import Fence
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.errors import Rejected, Unavailable
from bot.model.repository import Repository
from bot.model.secret import DynamicReference, Lease
from bot.store import Store
from tests.stores import ManualClock, new_store
from tests.unit.environments.fakes import CONFIGURATION, Harness

PATH = "database/creds/shop"
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

    def resolve(self, path: str, repository: Repository) -> DynamicReference:
        role, _, field = path.partition("#")
        if role != PATH:
            raise Rejected("not granted")
        return DynamicReference(role, field)

    async def issue(self, path: str) -> Lease:
        self._answer()
        if self.refusal:
            raise Rejected(self.refusal)
        self.issued += 1
        lease, now = f"{path}/{self.issued}", self.clock()
        self.valid.add(lease)
        return Lease(lease, path, now, now + HOUR, HOUR, {"username": f"v-shop-{self.issued}"})

    async def renew(self, lease: Lease) -> timedelta:
        self._answer()
        return HOUR if self.extensible else lease.expires_at - self.clock()

    async def revoke(self, lease: Lease) -> None:
        self._answer()
        self.valid.discard(lease.id)

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("Vault does not answer")


class Objects:
    def __init__(self) -> None:
        self.kept: Sequence[Lease] = ()

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
        self.kept = tuple(leases)


class IssuingHarness(Harness):
    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.issuer = Issuer(clock)
        super().__init__(store, clock, credentials=self.issuer, secret_objects=Objects())


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

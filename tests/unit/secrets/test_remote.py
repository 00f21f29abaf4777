"""Secret managers behind a network: kept answers, and pauses during an outage."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bot.model.errors import Rejected, Unavailable
from bot.model.repository import Repository
from bot.model.secret import SecretValue
from bot.secrets.remote import RemoteSecrets

SHOP = Repository(10, 20, "acme", "shop")
OTHER = Repository(11, 20, "acme", "other")


@dataclass
class Manager:
    """A manager that grants `key` to acme/shop, and counts what it is asked."""

    value: str = "s3cret"
    down: bool = False
    asked: int = 0

    async def read(self, path: str, repository: Repository) -> SecretValue:
        self.asked += 1
        if self.down:
            raise Unavailable("the manager does not answer")
        if repository != SHOP or path != "key":
            raise Rejected("not granted")
        return SecretValue(self.value)


@dataclass
class Counted:
    outcomes: list[str] = field(default_factory=list)

    def secret_read(self, provider: str, outcome: str) -> None:
        self.outcomes.append(f"{provider} {outcome}")


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def secrets(manager: Manager, counted: Counted, clock: Clock) -> RemoteSecrets:
    return RemoteSecrets("vault", manager, counted, clock)


async def test_value_is_kept_for_seconds(secrets: RemoteSecrets, manager: Manager, clock: Clock) -> None:
    assert (await secrets.read("key", SHOP)).text == "s3cret"
    manager.value = "rotated"
    assert (await secrets.read("key", SHOP)).text == "s3cret"
    clock.now += 11
    assert (await secrets.read("key", SHOP)).text == "rotated"
    assert manager.asked == 2


async def test_kept_value_is_for_its_repository_only(secrets: RemoteSecrets, counted: Counted) -> None:
    await secrets.read("key", SHOP)
    with pytest.raises(Rejected):
        await secrets.read("key", OTHER)
    assert counted.outcomes == ["vault read", "vault rejected"]


async def test_requests_pause_during_an_outage(
    secrets: RemoteSecrets, manager: Manager, clock: Clock
) -> None:
    manager.down = True
    for _ in range(10):
        with pytest.raises(Unavailable, match="does not answer"):
            await secrets.read("key", SHOP)
    assert manager.asked == 3
    clock.now += 16
    manager.down = False
    assert (await secrets.read("key", SHOP)).text == "s3cret"
    manager.down = True
    clock.now += 11
    with pytest.raises(Unavailable):
        await secrets.read("key", SHOP)
    assert manager.asked == 5, "one failure after a success does not pause the requests"


async def test_refusals_do_not_pause_the_requests(secrets: RemoteSecrets, manager: Manager) -> None:
    for _ in range(5):
        with pytest.raises(Rejected):
            await secrets.read("other", SHOP)
    assert (await secrets.read("key", SHOP)).text == "s3cret"
    assert manager.asked == 6

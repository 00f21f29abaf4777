"""Two stores never work at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from bot.environments import activation
from bot.environments.activation import Activation, Holder, StoreInactive, continues
from bot.model.errors import Unavailable
from bot.model.snapshot import StoreIdentity

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWN = StoreIdentity("own", NOW, 50)


@dataclass
class World:
    """Lease, store and cluster of one process."""

    holder: Holder | None = None
    store: StoreIdentity = OWN
    errors: list[Exception] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    async def look(self, own_id: str) -> Holder | None:
        if self.errors:
            raise self.errors.pop()
        return self.holder

    async def take(self, store: StoreIdentity, *, released: bool = False) -> None:
        self.holder = Holder(store.id, store.token, 0)
        self.done.append("release" if released else f"take {store.token}")

    async def read(self) -> StoreIdentity:
        return self.store

    async def restored(self, token: int) -> datetime:
        self.store = replace(self.store, token=max(token, self.store.token))
        self.done.append("restored")
        return NOW

    async def adopt(self) -> None:
        self.done.append("adopt")

    def activation(self) -> Activation:
        return Activation(self, self, self.adopt)


@pytest.mark.parametrize(
    ("holder", "expected"),
    [
        (Holder("own", 50, 0), True),
        (Holder("own", 49, 0), True),  # it worked on after the last renewal
        (Holder("own", 51, 0), False),  # restored from a backup
        (Holder("other", 1, 0), False),
        (None, False),  # new, or the operator deleted the Lease
    ],
)
def test_store_continues_unless_another_one_worked(holder: Holder | None, expected: bool) -> None:
    assert continues(OWN, holder) is expected


async def test_adoption_comes_after_the_lease_and_before_any_work() -> None:
    world = World(Holder("own", 70, 0))
    active = world.activation()
    assert await active.start()
    assert world.done == ["restored", "take 70", "adopt"]
    active.require()


async def test_store_waits_while_another_one_is_active() -> None:
    world = World(Holder("other", 1, 12.0))
    waiting = world.activation()
    assert not await waiting.start()
    assert world.done == []
    with pytest.raises(StoreInactive, match="Another store \\(other\\) is active"):
        waiting.require()


async def test_store_takes_over_after_errors_and_ends_when_another_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(activation, "_RETRY_SECONDS", 0)
    monkeypatch.setattr(activation, "_RENEW_SECONDS", 0)
    world = World(Holder("other", 1, 12.0), errors=[Unavailable("no answer")])
    waiting, started = world.activation(), asyncio.Event()
    running = asyncio.create_task(waiting.run(started.set))
    await asyncio.sleep(0)
    world.holder = Holder("other", 1, 0)
    await asyncio.wait_for(started.wait(), 5)
    assert world.done[:3] == ["restored", "take 50", "adopt"]
    world.errors.append(Unavailable("an outage of the API server stops nothing"))
    await asyncio.sleep(0.01)
    assert not running.done()
    world.holder = Holder("third", 9, 15.0)
    await asyncio.wait_for(running, 5)
    assert not waiting.active


async def test_release_is_only_of_the_own_lease() -> None:
    world = World(Holder("own", 50, 0))
    active = world.activation()
    await active.start()
    world.holder = Holder("other", 1, 15.0)
    await active.release()
    assert "release" not in world.done
    world.holder = Holder("own", 50, 0)
    await active.release()
    assert world.done[-1] == "release"

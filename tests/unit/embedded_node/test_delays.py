"""The embedded cluster is as late as a real one, if a test asks for it."""

from __future__ import annotations

import asyncio
from typing import cast

from bot.embedded.delays import delayed
from bot.embedded.informer import Change, Informer


class FakeInformer:
    has_synced = True


def change(version: int) -> Change:
    return Change("MODIFIED", {"metadata": {"name": "a", "resourceVersion": str(version)}})


def versions(changes: list[Change]) -> list[str]:
    return [change.object["metadata"]["resourceVersion"] for change in changes]


async def test_delayed_changes_keep_their_order() -> None:
    informer, seen, seconds = FakeInformer(), list[Change](), 0.05
    listener = delayed(cast(Informer, informer), seen.append, lambda: seconds)
    for version in range(5):
        listener(change(version))
    seconds = 0.0
    listener(change(5))
    assert seen == []
    await asyncio.sleep(0.1)
    assert versions(seen) == ["0", "1", "2", "3", "4", "5"]
    listener(change(6))
    assert versions(seen)[-1] == "6"


async def test_existing_objects_are_not_delayed() -> None:
    informer, seen = FakeInformer(), list[Change]()
    informer.has_synced = False
    listener = delayed(cast(Informer, informer), seen.append, lambda: 60.0)
    listener(change(1))
    assert versions(seen) == ["1"]

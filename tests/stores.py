"""Store fixtures: on SQLite always, on PostgreSQL with `-m postgresql`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.environments.ports import Clock
from bot.store import Store
from bot.store.store import utc_now
from tests import postgresql


class ManualClock:
    """A clock that moves only by `advance`."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


_migrated = b""


async def new_store(file: Path, clock: Clock = utc_now) -> Store:
    """A store on a new SQLite file. All of a process begin with the same tables, which are migrated once."""
    global _migrated
    if _migrated:
        file.write_bytes(_migrated)  # noqa: ASYNC240 - a small file
    store = await Store.open(f"sqlite:///{file}", clock)
    await store.migrate()
    if not _migrated:
        await store.close()
        _migrated = file.read_bytes()  # noqa: ASYNC240
        return await new_store(file, clock)
    return store


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    with postgresql.postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new, empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'greenroom.db'}"
        return
    with postgresql.database(request.getfixturevalue("postgresql_server")) as url:
        yield url


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(database_url: str, clock: ManualClock) -> AsyncIterator[Store]:
    file = database_url.removeprefix("sqlite:///")
    if file == database_url:
        opened = await Store.open(database_url, clock)
        await opened.migrate()
    else:
        opened = await new_store(Path(file), clock)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    opened = await new_store(tmp_path / "greenroom.db", clock)
    yield opened
    await opened.close()

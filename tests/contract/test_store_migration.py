"""A store of the first version is upgraded without losing anything, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from bot.model.environment import (
    Attempt,
    EnvironmentKey,
    EnvironmentState,
    Status,
    UserOverrides,
)
from bot.model.promotion import Promotion, PromotionKind, PromotionState, StageRecord, VerifiedTarget
from bot.model.release import Image, Origin, PromotableRelease, Target
from bot.store import Store
from bot.store.documents import _texts
from bot.store.environment_rows import new_row
from bot.store.records import encode
from tests.contract.shop import FIRST, SHOP, pull_request
from tests.stores import ManualClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = "version: 1\nimages: {shop: ghcr.io/acme/shop}  # \u00fc, \U0001f600\n"
POLICY = "version: 1\n"
STAGING, SALES = EnvironmentKey.stage(SHOP.id, "staging"), EnvironmentKey.demo(SHOP.id, "sales")
RELEASE = PromotableRelease(
    SHOP.id,
    FIRST,
    {"shop": Image("ghcr.io/acme/shop", "sha256:" + "1" * 64)},
    "sha256:" + "2" * 64,
    Origin.PREVIEW,
    7,
    False,
    NOW,
)
TARGET = Target(RELEASE, TEXT, 3)
STAGE = StageRecord(
    STAGING, SHOP, target=TARGET, verified=(VerifiedTarget(replace(TARGET, configuration=POLICY), "p0", NOW),)
)
PROMOTION = Promotion(
    "p1",
    STAGING,
    SHOP,
    PromotionKind.PROMOTION,
    PromotionState.DEPLOYING,
    "ada",
    NOW,
    NOW,
    NOW + timedelta(hours=1),
    release=RELEASE,
    policy=POLICY,
    configuration=TEXT,
    rollback_target=TARGET,
)


def previews() -> list[tuple[EnvironmentKey, Attempt, UserOverrides]]:
    """More than a batch of the migration, with few different texts."""
    pull = pull_request(FIRST, NOW)
    attempts = [
        Attempt(pull_request=pull, configuration=f"{TEXT}# {number % 7}", applied={"configuration": "x"})
        for number in range(1200)
    ]
    return [
        (EnvironmentKey.preview(SHOP.id, number), attempt, UserOverrides(extended_until=NOW))
        for number, attempt in enumerate(attempts, start=1)
    ]


def stages() -> list[tuple[EnvironmentKey, Attempt, UserOverrides]]:
    overrides = UserOverrides(target=TARGET)
    return [(key, Attempt(configuration=TEXT, overrides=overrides), overrides) for key in (STAGING, SALES)]


def as_stored(record: object) -> str:
    """The record as the first version stored it: with the texts themselves."""
    return encode(record, lambda text: text)


def environment_row(key: EnvironmentKey, attempt: Attempt, overrides: UserOverrides) -> dict[str, Any]:
    row = dict(new_row(key, SHOP, f"gr-{key.label}", NOW))
    for name in ("kind", "progress", "overrides"):
        del row[name]
    row |= {"attempt": as_stored(attempt), "wishes": as_stored(overrides)}
    row |= {"status": encode(Status(EnvironmentState.READY)), "state": EnvironmentState.READY}
    return row


def fill_first_version(url: str) -> None:
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", "bot.store:migrations")
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        tables = sa.MetaData()
        tables.reflect(connection)
        rows = [environment_row(*record) for record in (*previews(), *stages())]
        at = (NOW - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        rows = [{**row, "created_at": at, "updated_at": at, "desired_at": at} for row in rows]
        connection.execute(tables.tables["environments"].insert(), rows)
        stage = {"key": str(STAGING), "repository_id": SHOP.id, "held": False, "body": as_stored(STAGE)}
        connection.execute(tables.tables["stages"].insert(), stage)
        promotion = {
            "id": PROMOTION.id,
            "stage": str(STAGING),
            "repository_id": SHOP.id,
            "state": PROMOTION.state,
            "since": at,
            "ended": False,
            "moving": True,
            "body": as_stored(PROMOTION),
            "receipt": "",
            "requested_at": at,
        }
        connection.execute(tables.tables["promotions"].insert(), promotion)
    engine.dispose()


async def test_store_of_the_first_version_is_upgraded(database_url: str, clock: ManualClock) -> None:
    fill_first_version(database_url)
    store = await Store.open(database_url, clock)
    await store.migrate()
    _texts.clear()

    environments = {environment.key: environment for environment in await store.environments.find()}
    assert len(environments) == 1202
    for key, attempt, overrides in (*previews(), *stages()):
        assert (environments[key].attempt, environments[key].overrides) == (attempt, overrides)
    assert await store.promotions.stages(SHOP.id) == [STAGE]
    assert await store.promotions.get("p1") == PROMOTION
    await store.close()
    assert stored_documents(database_url) == 9


def stored_documents(url: str) -> int:
    """Documents; fails when another column has a text as well."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        tables = sa.MetaData()
        tables.reflect(connection)
        for name in ("environments", "stages", "promotions"):
            for row in connection.execute(tables.tables[name].select()).mappings():
                assert not any("ghcr.io/acme/shop}" in str(value) for value in row.values()), row
        kinds = sa.select(tables.tables["environments"].c.kind, sa.func.count()).group_by(sa.text("kind"))
        counts = {kind: count for kind, count in connection.execute(kinds)}  # noqa: C416 - mypy knows no dict of rows
        assert counts == {"preview": 1200, "stage": 1, "demo": 1}
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.tables["documents"]))
    engine.dispose()
    return count or 0


async def test_new_and_upgraded_tables_are_equal(database_url: str, clock: ManualClock) -> None:
    """The tables that the program describes have the migrations' columns and indexes."""
    from bot.store.tables import metadata

    store = await Store.open(database_url, clock)
    await store.migrate()
    await store.close()
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    migrated = sa.MetaData()
    migrated.reflect(engine)
    for name, table in metadata.tables.items():
        there = migrated.tables[name]
        assert {column.name for column in table.columns} == {column.name for column in there.columns}
        assert {index.name for index in table.indexes} == {index.name for index in there.indexes}
    engine.dispose()

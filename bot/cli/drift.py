"""`greenroom drift`: exits with 0 without drift, with 1 for drift, and with 2 where it is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import Json, fail, find_repository, load_settings, print_json, with_store

if TYPE_CHECKING:
    from bot.model.drift import DriftRecord
    from bot.store import Store


def drift(
    stage: Annotated[
        str | None, typer.Argument(metavar="STAGE", help="Name of a stage or demo; all by default.")
    ] = None,
    repository: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="All repositories by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the drift of stages and demos, from the last comparisons by `greenroom serve`."""
    from bot.model.drift import DriftState
    from bot.store.store import utc_now

    settings = load_settings("error")
    records = with_store(settings, lambda store: _records(store, repository, stage), refusal_code=2)
    if stage is not None and not records:
        fail(f"No stage or demo {stage} is compared. `greenroom drift` shows all that are.")
    now = utc_now()
    states = {record.key: record.state_at(now, settings.drift_interval) for record in records}
    if as_json:
        print_json([{"state": states[record.key], "record": record} for record in records])
    else:
        from bot.cli.drift_view import show

        show(records, states)
    if DriftState.DRIFTED in states.values():
        raise typer.Exit(1)
    raise typer.Exit(2 if DriftState.UNKNOWN in states.values() else 0)


async def _records(store: Store, repository: str | None, stage: str | None) -> Sequence[DriftRecord]:
    """Records of all existing stages and demos that are compared; one without a comparison is unknown."""
    from bot.config.loader import parse_configuration
    from bot.model.drift import DriftAction, DriftRecord
    from bot.model.environment import EnvironmentKind
    from bot.model.errors import ConfigurationError

    id = (await find_repository(store, repository, code=2)).id if repository is not None else None
    records = {record.key: record for record in await store.drifts.find(id)}
    for environment in await store.environments.find(repository_id=id):
        key, target = environment.key, environment.overrides.target
        if key.kind is EnvironmentKind.PREVIEW or target is None or key in records:
            continue
        try:
            own = parse_configuration(target.configuration).find_stage(key)
        except ConfigurationError:
            own = None
        if own is None or own.drift.action is not DriftAction.IGNORE:
            records[key] = DriftRecord(key, environment.repository)
    return [records[key] for key in sorted(records, key=str) if stage in (None, key.name)]

"""`greenroom release list` and `greenroom audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import (
    Json,
    OptionalRepositoryName,
    RepositoryName,
    find_repository,
    load_settings,
    print_json,
    with_store,
)
from bot.cli.groups import Commands

if TYPE_CHECKING:
    from bot.model.promotion import AuditEntry
    from bot.model.release import PromotableRelease
    from bot.store import Store

commands = Commands(help="List releases.")


@commands.command("list")
def list_releases(repository: RepositoryName, as_json: Json = False) -> None:
    """List the newest releases that can be promoted."""

    async def query(store: Store) -> list[PromotableRelease]:
        return await store.releases.newest((await find_repository(store, repository)).id)

    releases = with_store(load_settings("error"), query)
    if as_json:
        print_json(releases)
    else:
        from bot.cli.stage_view import show_releases

        show_releases(releases)


def audit(
    repository: OptionalRepositoryName = None,
    stage: Annotated[str | None, typer.Option(metavar="NAME", help="Only entries of this stage.")] = None,
    limit: Annotated[
        int, typer.Option(metavar="NUMBER", help="Maximum number of entries.", min=1, max=100_000)
    ] = 50,
    as_json: Json = False,
) -> None:
    """Show the audit log, newest entry first: who changed which stage, when, why, from what to what."""

    async def query(store: Store) -> list[AuditEntry]:
        id = (await find_repository(store, repository)).id if repository else None
        return await store.audit.entries(id, stage=stage, limit=limit)

    entries = with_store(load_settings("error"), query)
    if as_json:
        print_json(entries)
    else:
        from bot.cli.stage_view import show_audit

        show_audit(entries)

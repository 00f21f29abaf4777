"""`greenroom parity`: in what two stages differ besides configuration values, secrets, size and host.

Exit codes: 0 when they are alike, 1 when they differ, 2 when it cannot be told.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.context import github_app, give_up, print_json, repository_called, settings, with_store
from bot.cli.stages import Json

if TYPE_CHECKING:
    from bot.model.parity import Comparison
    from bot.model.repository import Repository
    from bot.promotions.parity_service import ParityInput, ParityService
    from bot.settings import Settings
    from bot.store import Store

_STYLES = {"---": "bold", "+++": "bold", "@@ ": "cyan"}
_SIGNS = {"-": "red", "+": "green"}


def parity(
    left: Annotated[str, typer.Argument(metavar="STAGE", help="As .greenroom.yml names it.")],
    right: Annotated[str, typer.Argument(metavar="STAGE", help="The one that it is compared with.")],
    repository: Annotated[
        str | None, typer.Option(help="Such as acme/shop; needed where the bot knows several.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell in what two stages differ besides configuration values, secrets, size and host."""
    read = settings("error")
    standings, comparison = with_store(read, lambda store: _compare(store, read, repository, (left, right)))
    notes = [
        f"{each.stage} runs nothing yet, so it is taken as the default branch configures it now, with "
        f"release {each.release.id}."
        for each in standings
        if not each.is_running
    ]
    if as_json:
        print(*notes, sep="\n", end="\n" if notes else "", file=sys.stderr)
        print_json(comparison.differences)
    else:
        _show(standings, comparison, notes)
    raise typer.Exit(0 if comparison.equal else 1)


async def _compare(
    store: Store, read: Settings, name: str | None, names: tuple[str, str]
) -> tuple[Sequence[ParityInput], Comparison]:
    from bot.cluster.policy import ClusterPolicy
    from bot.cluster.render.renderer import ManifestRenderer
    from bot.cluster.render.tools import Tools
    from bot.promotions.parity_service import ParityService

    repository = await _meant(store, name)
    github = github_app(read)
    comparing = ParityService(
        github.contents, ManifestRenderer(ClusterPolicy.of(read), Tools(read.render_hosts))
    )
    try:
        return await _told(store, comparing, repository, names)
    finally:
        await github.close()


async def _told(
    store: Store, comparing: ParityService, repository: Repository, names: tuple[str, str]
) -> tuple[Sequence[ParityInput], Comparison]:
    from bot.model.parity import Comparison

    records = {each.name: each for each in await store.promotions.stages(repository.id)}
    newest = await store.releases.newest(repository.id)
    standings = await comparing.parity_inputs(repository, names, records, newest[0] if newest else None)
    differences = await comparing.compare(repository, *standings)
    return standings, Comparison(*names, differences)


async def _meant(store: Store, name: str | None) -> Repository:
    """The one that has stages, or that the bot knows at all, where none is named."""
    if name is not None:
        return await repository_called(store, name, code=2)
    known = [each.repository for each in await store.promotions.stages()]
    known = known or [each.repository for each in await store.environments.find()]
    found = {each.id: each for each in known}
    if not found:
        give_up("There is no repository of which the bot has seen a pull request.")
    if len(found) > 1:
        names = ", ".join(sorted(each.full_name for each in found.values()))
        give_up(f"Say of which repository, with --repository: {names}.")
    return next(iter(found.values()))


def _show(standings: Sequence[ParityInput], comparison: Comparison, notes: Sequence[str]) -> None:
    from rich.console import Console

    from bot.cli.terminal import text
    from bot.model.parity import diff, mismatch_reason

    console = Console()
    for note in notes:
        console.print(text(note), soft_wrap=True)
    if comparison.equal:
        alike = f"{comparison.left} and {comparison.right} are alike"
        console.print(text(f"{alike}, but for configuration values, secrets, size and host."), soft_wrap=True)
        return
    releases = [f"  release {each.release.id} of {each.release.commit[:7]}" for each in standings]
    for line in diff(comparison, *releases):
        style = _STYLES.get(line[:3]) or _SIGNS.get(line[:1], "")
        console.print(text(line, style), soft_wrap=True)
    console.print(text(f"{mismatch_reason(comparison)}."), soft_wrap=True)

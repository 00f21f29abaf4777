"""`greenroom parity`: compares two stages. Exits with 0 when they are equal, with 1 when they differ."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import Json, fail, find_repository, github_app, load_settings, print_json, with_store

if TYPE_CHECKING:
    from bot.model.parity import Comparison
    from bot.model.repository import Repository
    from bot.promotions.parity_service import ParityInput
    from bot.settings import Settings
    from bot.store import Store

_HEADERS = {"---": "bold", "+++": "bold", "@@ ": "cyan"}
_CHANGES = {"-": "red", "+": "green"}


def parity(
    left: Annotated[str, typer.Argument(metavar="STAGE", help="Name of a stage, or `preview`.")],
    right: Annotated[str, typer.Argument(metavar="STAGE", help="Name of the stage to compare it with.")],
    repository: Annotated[
        str | None,
        typer.Option(metavar="OWNER/NAME", help="Required if the bot serves several repositories."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare what two stages run, except configuration values, secrets, size and host.

    `preview` in place of a stage stands for the repository's previews.
    """
    settings = load_settings("error")
    inputs, comparison, ages = with_store(
        settings, lambda store: _compare(store, settings, repository, (left, right)), refusal_code=2
    )
    notes = [
        f"{_subject(stage.stage)} no release yet; compared with release {stage.release.id} "
        "and the configuration of the default branch."
        for stage in inputs
        if not stage.is_running
    ]
    notes += ages
    if as_json:
        print(*notes, sep="\n", end="\n" if notes else "", file=sys.stderr)
        print_json(comparison.differences)
    else:
        _show(inputs, comparison, notes)
    raise typer.Exit(0 if comparison.equal else 1)


def _subject(stage: str) -> str:
    return "previews have" if stage == "preview" else f"{stage} has"


async def _compare(
    store: Store, settings: Settings, repository_name: str | None, names: tuple[str, str]
) -> tuple[Sequence[ParityInput], Comparison, Sequence[str]]:
    from bot.cluster.clusters_file import find_cluster, read_clusters
    from bot.cluster.policy import ClusterPolicy
    from bot.cluster.render.renderer import ManifestRenderer
    from bot.cluster.render.tools import Tools
    from bot.promotions.parity_service import ParityService
    from bot.registry.charts import open_charts

    repository = await _repository(store, repository_name)
    records = {stage.name: stage for stage in await store.promotions.stages(repository.id)}
    newest = await store.releases.newest(repository.id)
    hosts = settings.render_hosts
    github = github_app(settings)
    try:
        async with open_charts(settings.registry_credentials, settings.private_registries, hosts) as charts:
            tools = Tools(hosts, charts=charts)

            def renderer(cluster: str) -> ManifestRenderer:
                return ManifestRenderer(ClusterPolicy.of(find_cluster(settings, cluster).settings), tools)

            service = ParityService(github.contents, renderer, read_clusters(settings)[0].name)
            inputs = await service.parity_inputs(repository, names, records, newest[0] if newest else None)
            comparison = await service.compare(repository, *inputs)
            ages = [await _data_age(store, repository, name) for name in names]
            return inputs, comparison, [age for age in ages if age]
    finally:
        await github.close()


async def _data_age(store: Store, repository: Repository, stage: str) -> str:
    """When the data of a stage were seeded and migrated last; "" if neither is recorded."""
    from bot.model.environment import EnvironmentKey
    from bot.model.times import format_time

    key = EnvironmentKey.stage(repository.id, stage)
    moments = await store.journal.latest(key, ("seeded", "migrated"))
    parts = [
        f"last {name} on {format_time(moments[action], year=True)}"
        for action, name in (("seeded", "seed"), ("migrated", "migration"))
        if action in moments
    ]
    return f"Data of {stage}: {', '.join(parts)}." if parts else ""


async def _repository(store: Store, name: str | None) -> Repository:
    """The named repository, or the only one with a stage, or the only one with an environment."""
    if name is not None:
        return await find_repository(store, name, code=2)
    records = await store.promotions.stages() or await store.environments.find()
    repositories = {record.repository.id: record.repository for record in records}
    if not repositories:
        fail("No repository has an environment or a stage yet.")
    if len(repositories) > 1:
        names = ", ".join(sorted(repository.full_name for repository in repositories.values()))
        fail(f"Choose a repository with --repository: {names}.")
    return next(iter(repositories.values()))


def _show(inputs: Sequence[ParityInput], comparison: Comparison, notes: Sequence[str]) -> None:
    from bot.cli.terminal import console, text
    from bot.github.messages.parity import diff, mismatch_reason, names

    screen = console()
    for note in notes:
        screen.print(text(note), soft_wrap=True)
    if comparison.equal:
        pair = " and ".join(names(comparison))
        screen.print(
            text(f"{pair} are equal, except configuration values, secrets, size and host."), soft_wrap=True
        )
        return
    releases = [f"  release {stage.release.id} of {stage.release.commit[:7]}" for stage in inputs]
    for line in diff(comparison, *releases):
        style = _HEADERS.get(line[:3]) or _CHANGES.get(line[:1], "")
        screen.print(text(line, style), soft_wrap=True)
    screen.print(text(f"{mismatch_reason(comparison)}."), soft_wrap=True)

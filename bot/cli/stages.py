"""`greenroom stage …`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import (
    Json,
    OptionalRepositoryName,
    RepositoryName,
    StageName,
    Yes,
    confirm,
    fail,
    find_repository,
    github_app,
    load_settings,
    print_json,
    print_result,
    with_store,
)
from bot.cli.groups import Commands
from bot.cli.promotions import Reason, run

if TYPE_CHECKING:
    from bot.model.promotion import StageRecord
    from bot.promotions.views import PipelineView, StageView
    from bot.store import Store

commands = Commands(help="List, inspect, lock, hold and remove stages.")


@commands.command("list")
def list_stages(repository: OptionalRepositoryName = None, as_json: Json = False) -> None:
    """List stages with the release that runs there, and their locks and holds."""

    async def query(store: Store) -> list[StageRecord]:
        id = (await find_repository(store, repository)).id if repository else None
        return await store.promotions.stages(id)

    stages = with_store(load_settings("error"), query)
    if as_json:
        print_json(stages)
    else:
        from bot.cli.stage_view import show_stages

        show_stages(stages)


@commands.command()
def show(repository: RepositoryName, stage: StageName, as_json: Json = False) -> None:
    """Show a stage or demo: release, lock, hold, promotions, verified releases and audit log."""
    from bot.promotions.view_reader import StageViewReader
    from bot.promotions.views import PipelineView
    from bot.store.store import utc_now

    settings = load_settings("error")

    async def query(store: Store) -> StageView | PipelineView:
        record = await find_repository(store, repository)
        github = github_app(settings)
        try:
            reader = StageViewReader(
                store.promotions,
                store.environments,
                store.releases,
                store.audit,
                github.contents,
                store.drifts,
                utc_now,
            )
            return await reader.stage(record, stage) or await reader.pipeline(record)
        finally:
            await github.close()

    view = with_store(settings, query)
    if isinstance(view, PipelineView):
        from bot.github.messages.stage_summary import configuration_problem

        names = ", ".join(other.name for other in view.stages) or "none"
        fail(f"Unknown stage {stage} (stages: {names}).", configuration_problem(view), code=1)
    if as_json:
        print_json(view)
    else:
        from bot.cli.stage_view import show_stage

        show_stage(view)


@commands.command()
def lock(
    repository: RepositoryName,
    stage: StageName,
    hours: Annotated[float, typer.Option(metavar="HOURS", help="Duration.", min=0.1, max=336)] = 1,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Lock a stage: only you can promote to it until the lock expires."""
    from bot.model.times import format_time

    duration = timedelta(hours=hours)
    record = run(repository, lambda service, requester: service.lock(requester, stage, duration, reason))
    assert record.lock is not None, "the service has just set the lock"
    print_result(record, f"{stage} is locked by you until {format_time(record.lock.until)}.", as_json)


@commands.command()
def unlock(repository: RepositoryName, stage: StageName, as_json: Json = False) -> None:
    """Release the lock of a stage, even if another user set it."""
    record = run(repository, lambda service, requester: service.unlock(requester, stage, may_take=True))
    print_result(record, f"{stage} is unlocked.", as_json)


@commands.command()
def hold(repository: RepositoryName, stage: StageName, reason: Reason = "", as_json: Json = False) -> None:
    """Block automatic promotions to a stage."""
    record = run(repository, lambda service, requester: service.hold(requester, stage, reason))
    text = f"Automatic promotions to {stage} are blocked until `greenroom stage unhold`."
    print_result(record, text, as_json)


@commands.command()
def unhold(repository: RepositoryName, stage: StageName, as_json: Json = False) -> None:
    """Allow automatic promotions to a stage again."""
    record = run(repository, lambda service, requester: service.unhold(requester, stage))
    print_result(record, f"Automatic promotions to {stage} are allowed.", as_json)


@commands.command()
def remove(
    repository: RepositoryName,
    stage: StageName,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Delete only what the stage left on this cluster when it moved."),
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete a stage or demo that .greenroom.yml no longer contains, with its data."""
    if cluster is not None:
        _remove_from(cluster, repository, stage, yes, as_json)
        return
    confirm(f"Delete the namespace of {stage} with all its data?", yes=yes)
    record = run(repository, lambda service, requester: service.remove(requester, stage))
    name = f"{record.repository.full_name}:{stage}"
    text = f"Deletion of {name} requested. `greenroom why '{name}'` shows the progress."
    print_result({"environment": str(record.key), "requested": "remove"}, text, as_json)


def _remove_from(cluster: str, repository: str, stage: str, yes: bool, as_json: bool) -> None:
    """Requests the deletion of the namespace on a cluster that the stage left."""
    from bot.cluster.clusters_file import find_cluster
    from bot.model.work import WorkKey

    settings = load_settings("error")

    async def request(store: Store) -> str:
        name = find_cluster(settings, cluster).name
        record = await find_repository(store, repository)
        stages = await store.promotions.stages(record.id)
        keys = [other.key for other in stages if other.name == stage]
        environment = await store.environments.get(keys[0]) if keys else None
        if environment is None:
            fail(f"Unknown stage {stage}.", code=1)
        if environment.cluster == name:
            fail(f"{stage} runs on the cluster {name}. Only what a move left behind can be deleted.", code=1)
        question = f"Delete the namespace {environment.namespace} on the cluster {name} with all its data?"
        confirm(question, yes=yes)
        await store.queue.enqueue([WorkKey.namespace(name, environment.namespace)])
        return environment.namespace

    namespace = with_store(settings, request)
    text = f"Deletion of the namespace {namespace} on the cluster {cluster} requested."
    print_result({"namespace": namespace, "cluster": cluster, "requested": "remove"}, text, as_json)

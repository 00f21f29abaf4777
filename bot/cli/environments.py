"""`greenroom env …` and `greenroom why`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import Json, Yes, confirm, fail, load_settings, print_json, print_result, with_store
from bot.cli.groups import Commands

if TYPE_CHECKING:
    from bot.environments.views import EnvironmentView
    from bot.model.diagnostics import NamespaceDiagnostics
    from bot.model.environment import Environment
    from bot.settings import Settings
    from bot.store import Store

commands = Commands(help="List, inspect, change and delete environments.")

Name = Annotated[
    str, typer.Argument(metavar="ENV", help="Name such as acme/shop#7, or key such as preview/ID/7.")
]

_LOG_LINES = 20
_ATTEMPTS = 10


@commands.command("list")
def list_environments(
    everything: Annotated[bool, typer.Option("--all", help="Include deleted environments.")] = False,
    as_json: Json = False,
) -> None:
    """List environments with their state and URL."""

    async def query(store: Store) -> list[EnvironmentView]:
        from bot.environments.views import environment_view
        from bot.model.environment import EnvironmentState
        from bot.store.store import utc_now

        states = frozenset(EnvironmentState) - (frozenset() if everything else {EnvironmentState.GONE})
        environments = await store.environments.find(states=states)
        return [environment_view(environment, (), None, utc_now()) for environment in environments]

    views = with_store(load_settings("error"), query)
    if as_json:
        print_json(views)
    else:
        from bot.cli.environment_view import show_list

        show_list(views)


@commands.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show an environment: phases, checks, decisions, events and log tails."""
    settings = load_settings("error")
    environment, view = with_store(settings, lambda store: _view(store, name))
    diagnostics = _diagnose(settings, environment, _LOG_LINES)
    if as_json:
        print_json({"environment": view, "diagnostics": diagnostics})
    else:
        from bot.cli.environment_view import show_all

        show_all(view, diagnostics)


def explain(name: Name, as_json: Json = False) -> None:
    """Explain the state of an environment: its current wait, and all decisions with their reasons."""
    _, view = with_store(load_settings("error"), lambda store: _view(store, name))
    if as_json:
        print_json(view)
    else:
        from bot.cli.environment_view import show_reasons

        show_reasons(view)


@commands.command()
def logs(
    name: Name,
    lines: Annotated[int, typer.Option(metavar="NUMBER", help="Lines per container.", min=1, max=5000)] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new lines until the containers end.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the log tails of all containers, and the events of the namespace."""
    settings = load_settings("error")
    environment = with_store(settings, lambda store: find(store, name))
    if follow:
        _follow(settings, environment, lines, as_json)
        return
    diagnostics = _diagnose(settings, environment, lines)
    if as_json:
        print_json(diagnostics)
    else:
        from bot.cli.environment_view import show_diagnostics

        show_diagnostics(diagnostics)
    if diagnostics.unavailable:
        raise typer.Exit(2)


@commands.command()
def destroy(name: Name, yes: Yes = False, as_json: Json = False) -> None:
    """Delete a preview with its data. `/preview` on the pull request creates it again."""
    import getpass

    from bot.environments.views import display_name
    from bot.model.environment import EnvironmentKind

    settings = load_settings("error")
    environment = with_store(settings, lambda store: find(store, name))
    shown = display_name(environment)
    if environment.key.kind is not EnvironmentKind.PREVIEW:
        fail(f"{shown} is a {environment.key.kind}, not a preview; see `greenroom stage --help`.", code=1)
    confirm(
        f"Delete {shown}?",
        f"{shown} is {environment.status.state}. This deletes the namespace {environment.namespace} with all "
        "its data. `/preview` on the pull request creates the preview again.",
        yes=yes,
    )
    user = getpass.getuser()

    async def request(store: Store) -> Environment | None:
        return await store.environments.update_overrides(
            environment.key,
            lambda overrides: replace(overrides, destroyed_by=user),
            "Deletion requested on the command line.",
            user,
        )

    if with_store(settings, request) is None:
        fail(f"{shown} no longer exists.", code=1)
    text = f"Deletion of {shown} requested. `greenroom why '{shown}'` shows the progress."
    print_result({"environment": str(environment.key), "requested": "destroy"}, text, as_json)


async def find(store: Store, text: str) -> Environment:
    """The environment of this name or key; exits with a message when there is none or several."""
    from bot.environments.views import display_name, matching_environments

    matches = matching_environments(text, await store.environments.find())
    if not matches:
        fail(f"Unknown environment {text}. List all with `greenroom env list --all`.", code=1)
    if len(matches) > 1:
        fail(
            f"{text} matches several environments. Use a key:",
            *(f"  {match.key}  ({display_name(match)}, {match.status.state})" for match in matches),
        )
    return matches[0]


async def _view(store: Store, text: str) -> tuple[Environment, EnvironmentView]:
    from bot.environments.views import environment_view
    from bot.model.work import WorkKey
    from bot.store.store import utc_now

    environment = await find(store, text)
    decisions = await store.journal.decisions(environment.key)
    scheduled = await store.queue.look(WorkKey.environment(environment.key))
    return environment, environment_view(environment, decisions, scheduled, utc_now())


def _follow(settings: Settings, environment: Environment, lines: int, as_json: bool) -> None:
    """Prints each line with its pod and container, or as one JSON object. Exits with 2 on an error."""
    import asyncio

    import msgspec

    from bot.cli.terminal import plain
    from bot.cluster.client.connection import connect
    from bot.cluster.clusters_file import find_cluster
    from bot.cluster.health.log_stream import follow_logs
    from bot.model.errors import GreenroomError

    async def read() -> None:
        cluster = find_cluster(settings, environment.cluster)
        async with await connect(cluster.settings.kubeconfig, context=cluster.context) as api:
            namespace, app_id = environment.namespace, settings.github_app_id
            async for line in follow_logs(api, app_id, namespace, environment.key, lines):
                text = f"{line.pod}/{line.container}: {plain(line.text)}"
                print(msgspec.json.encode(line).decode() if as_json else text, flush=True)

    try:
        asyncio.run(read())
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except GreenroomError as error:
        fail(str(error))


def _diagnose(settings: Settings, environment: Environment, lines: int) -> NamespaceDiagnostics:
    """Events and logs from the cluster, or those of the last failure of an environment that was deleted."""
    from bot.model.environment import EnvironmentState

    if environment.status.state is EnvironmentState.GONE:
        return with_store(settings, lambda store: _last_failure(store, environment))
    return _read_diagnostics(settings, environment, lines)


async def _last_failure(store: Store, environment: Environment) -> NamespaceDiagnostics:
    from bot.model.diagnostics import NamespaceDiagnostics

    for attempt in await store.attempts.of_environment(environment.key, _ATTEMPTS):
        stored = await store.attempts.get(environment.key, attempt.started_at)
        if stored is not None and stored.failure is not None:
            return stored.failure
    return NamespaceDiagnostics(
        unavailable="The environment was deleted, and no events and logs of a failure are stored."
    )


def _read_diagnostics(settings: Settings, environment: Environment, lines: int) -> NamespaceDiagnostics:
    """From the cluster; `unavailable` explains why there are none."""
    import asyncio

    from bot.cluster.client.connection import connect
    from bot.cluster.clusters_file import find_cluster
    from bot.cluster.health.diagnostics import DiagnosticsReader
    from bot.model.diagnostics import NamespaceDiagnostics
    from bot.model.errors import GreenroomError

    async def read() -> NamespaceDiagnostics:
        cluster = find_cluster(settings, environment.cluster)
        async with await connect(cluster.settings.kubeconfig, context=cluster.context) as api:
            reader = DiagnosticsReader(api, settings.github_app_id)
            return await reader.look(environment.namespace, environment.key, lines)

    try:
        return asyncio.run(read())
    except GreenroomError as error:
        return NamespaceDiagnostics(unavailable=str(error))

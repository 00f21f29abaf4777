"""`greenroom env …` and `greenroom why`: what the pages tell, for people with the bot's own settings.

Exit codes: 0 when it was told or done, 1 when there is no such environment or it was not wanted after all,
2 when it could not be asked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.context import give_up, print_json, settings, with_store

if TYPE_CHECKING:
    from bot.environments.views import EnvironmentView
    from bot.model.diagnostics import NamespaceDiagnostics
    from bot.model.environment import Environment
    from bot.settings import Settings
    from bot.store import Store

commands = typer.Typer(no_args_is_help=True, help="Look at environments, or take one away.")

Name = Annotated[str, typer.Argument(metavar="ENV", help="Such as acme/shop#7, or the key preview/ID/7.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_LOG_LINES = 20


@commands.command("list")
def list_environments(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are gone.")] = False,
    as_json: Json = False,
) -> None:
    """All environments, with what runs in them."""

    async def ask(store: Store) -> list[EnvironmentView]:
        from bot.environments.views import environment_view
        from bot.model.environment import EnvironmentState
        from bot.store.store import utc_now

        states = frozenset(EnvironmentState) - (frozenset() if everything else {EnvironmentState.GONE})
        return [
            environment_view(each, (), None, utc_now())
            for each in await store.environments.find(states=states)
        ]

    stories = with_store(settings("error"), ask)
    if as_json:
        print_json(stories)
    else:
        from bot.cli.environment_view import show_list

        show_list(stories)


@commands.command()
def show(name: Name, as_json: Json = False) -> None:
    """Everything about one environment: phases, checks, decisions, events and log tails."""
    read = settings("error")
    environment, story = with_store(read, lambda store: _story(store, name))
    sight = _look(read, environment, _LOG_LINES)
    if as_json:
        print_json({"story": story, "sight": sight})
    else:
        from bot.cli.environment_view import show_all

        show_all(story, sight)


def why(name: Name, as_json: Json = False) -> None:
    """Why an environment is as it is: what it waits for, and every decision with its reason."""
    _, story = with_store(settings("error"), lambda store: _story(store, name))
    if as_json:
        print_json(story)
    else:
        from bot.cli.environment_view import show_why

        show_why(story)


@commands.command()
def logs(
    name: Name,
    lines: Annotated[int, typer.Option(help="Of each container.", min=1, max=5000)] = 100,
    as_json: Json = False,
) -> None:
    """The ends of the logs of all its containers, and the events of its namespace."""
    read = settings("error")
    environment = with_store(read, lambda store: _find(store, name))
    sight = _look(read, environment, lines)
    if as_json:
        print_json(sight)
    else:
        from bot.cli.environment_view import show_sight

        show_sight(sight)
    if sight.unavailable:
        raise typer.Exit(2)


@commands.command()
def destroy(
    name: Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Take an environment away with its data, until somebody asks for it again."""
    import getpass

    from bot.environments.views import display_name as named
    from bot.model.environment import EnvironmentKind

    read = settings("error")
    environment = with_store(read, lambda store: _find(store, name))
    shown = named(environment)
    if environment.key.kind is not EnvironmentKind.PREVIEW:
        give_up(f"{shown} is a {environment.key.kind}: what runs there, its promotions decide.", code=1)
    print(
        f"{shown} is {environment.status.state}. Its namespace {environment.namespace} will be deleted with "
        f"all data in it, and {shown} stays away until somebody writes /preview on the pull request."
    )
    if not yes and not typer.confirm("Take it away?"):
        raise typer.Exit(1)
    by = getpass.getuser()

    async def ask(store: Store) -> Environment | None:
        return await store.environments.update_overrides(
            environment.key,
            lambda wishes: replace(wishes, destroyed_by=by),
            "Take it away, on the command line.",
            by,
        )

    if with_store(read, ask) is None:
        give_up(f"{shown} is not there any more.", code=1)
    print(f"It is asked for. A worker takes it up at once; `greenroom why '{shown}'` tells how far it is.")


async def _find(store: Store, text: str) -> Environment:
    from bot.environments.views import display_name, matching_environments

    found = matching_environments(text, await store.environments.find())
    if not found:
        give_up(
            f"There is no environment {text}. `greenroom env list --all` shows all of them; "
            "their names are such as acme/shop#7.",
            code=1,
        )
    if len(found) > 1:
        give_up(
            f"{text} may be any of these; give the key of the one that you mean:",
            *(f"  {each.key}  ({display_name(each)}, {each.status.state})" for each in found),
        )
    return found[0]


async def _story(store: Store, text: str) -> tuple[Environment, EnvironmentView]:
    from bot.environments.views import environment_view
    from bot.model.work import WorkKey
    from bot.store.store import utc_now

    environment = await _find(store, text)
    decisions = await store.journal.decisions(environment.key)
    scheduled = await store.queue.look(WorkKey.environment(environment.key))
    return environment, environment_view(environment, decisions, scheduled, utc_now())


def _look(read: Settings, environment: Environment, lines: int) -> NamespaceDiagnostics:
    import asyncio

    from bot.cluster.client.connection import connect
    from bot.cluster.health.diagnostics import DiagnosticsReader
    from bot.model.diagnostics import NamespaceDiagnostics
    from bot.model.errors import GreenroomError

    async def look() -> NamespaceDiagnostics:
        async with await connect(read.kubeconfig) as api:
            return await DiagnosticsReader(api).look(environment.namespace, environment.key, lines)

    try:
        return asyncio.run(look())
    except GreenroomError as error:
        return NamespaceDiagnostics(unavailable=str(error))

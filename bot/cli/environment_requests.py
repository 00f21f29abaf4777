"""`greenroom env extend`, `refresh`, `reseed`, `sleep` and `wake`, decided like the commands."""

from __future__ import annotations

import getpass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import Json, fail, load_settings, print_result, with_store
from bot.cli.environments import Name, find

_NOUNS = {"wake": "wake-up"}

if TYPE_CHECKING:
    from bot.commands.decision import Situation
    from bot.commands.grammar import Command
    from bot.commands.outcome import Outcome
    from bot.model.environment import Environment
    from bot.store import Store


def extend(
    name: Name,
    duration: Annotated[str, typer.Argument(metavar="DURATION", help="Such as 12h or 3d.")],
    as_json: Json = False,
) -> None:
    """Extend the lifetime of a preview, up to the maximum of the settings."""
    from bot.commands.grammar import Command
    from bot.commands.table import Verb
    from bot.model.durations import parse_duration

    try:
        length = parse_duration(duration)
    except ValueError as error:
        fail(f"{duration}: {error}.")
    _request(name, Command(Verb.EXTEND, duration=length), as_json)


def refresh(name: Name, as_json: Json = False) -> None:
    """Deploy a preview again and re-run its checks."""
    from bot.commands.grammar import Command
    from bot.commands.table import Verb

    _request(name, Command(Verb.REFRESH), as_json)


def reseed(name: Name, as_json: Json = False) -> None:
    """Reset the data of a preview to its seed."""
    from bot.commands.grammar import Command
    from bot.commands.table import Verb

    _request(name, Command(Verb.RESEED), as_json)


def sleep(name: Name, as_json: Json = False) -> None:
    """Stop the workloads of a preview and keep its data."""
    from bot.commands.grammar import Command
    from bot.commands.table import Verb

    _request(name, Command(Verb.SLEEP), as_json)


def wake(name: Name, as_json: Json = False) -> None:
    """Start the workloads of a sleeping preview."""
    from bot.commands.grammar import Command
    from bot.commands.table import Verb

    _request(name, Command(Verb.WAKE), as_json)


COMMANDS = (extend, refresh, reseed, sleep, wake)


def _request(name: str, command: Command, as_json: bool) -> None:
    from bot.commands.decision import decide

    settings = load_settings("error")
    user = getpass.getuser()

    async def request(store: Store) -> tuple[Environment, Outcome]:
        environment = await find(store, name)
        decision = decide(command, _situation(environment, user, settings.longest_ttl))
        if decision.change is not None:
            reason = f"Requested by `greenroom env {_action(command)}`."
            await store.environments.update_overrides(environment.key, decision.change, reason, user)
        return environment, decision.outcome

    _report(*with_store(settings, request), command, as_json)


def _situation(environment: Environment, user: str, longest_ttl: timedelta) -> Situation:
    """The operator has every role, for the stored head. Exits with 1 without a pull request."""
    from datetime import UTC, datetime

    from bot.commands.decision import Situation
    from bot.environments.views import display_name
    from bot.model.command import PostedComment, RecordedCommand
    from bot.model.role import Role

    pull, now = environment.attempt.pull_request, datetime.now(UTC)
    if pull is None:
        fail(f"{display_name(environment)} is not a preview that was deployed.", code=1)
    recorded = RecordedCommand(
        repository=environment.repository,
        number=pull.number,
        comment_id=0,
        digest="",
        received_at=now,
        head=pull.head_sha,
        head_since=datetime.min.replace(tzinfo=UTC),
        answer=None,
        finished=False,
    )
    comment = PostedComment("", user, by_bot=False, created_at=now, number=pull.number)
    return Situation(recorded, comment, Role.ADMIN, pull, environment, now, longest_ttl)


def _action(command: Command) -> str:
    return command.verb.split()[-1].removeprefix("/")


def _report(environment: Environment, outcome: Outcome, command: Command, as_json: bool) -> None:
    """Prints the outcome. Exits with 1 when nothing changes."""
    from bot.commands.outcome import Result
    from bot.environments.views import display_name
    from bot.model.times import format_time

    shown, action = display_name(environment), _action(command)
    until = outcome.until and format_time(outcome.until)
    if outcome.result is not Result.ACCEPTED:
        reasons = {
            Result.MAXIMUM: f"it already expires on {until}, which is the maximum",
            Result.DISABLED: outcome.reason.rstrip("."),
            Result.CLOSED: "its pull request is closed",
            Result.ALREADY: "it is not asleep" if action == "wake" else "it is already asleep",
            Result.NO_PREVIEW: f"it is {environment.status.state}; `/preview` on the pull request deploys it",
        }
        fail(f"{shown} is not changed: {reasons.get(outcome.result, outcome.result.value)}.", code=1)
    noun = _NOUNS.get(action, action)
    text = f"The {noun} of {shown} is requested. `greenroom why '{shown}'` shows the progress."
    if until:
        text = f"{shown} expires on {until}."
    expires = {"expires_at": outcome.until} if outcome.until else {}
    print_result({"environment": str(environment.key), "requested": action, **expires}, text, as_json)

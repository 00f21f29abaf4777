"""What the page, the command line and `/why` tell of an environment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.environments.views import StepState, display_name, environment_view, matching_environments
from bot.github.messages.environment_reasons import headline, last_error
from bot.model.environment import (
    Attempt,
    Decision,
    Environment,
    EnvironmentKey,
    EnvironmentKind,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    StatusMessage,
    UserOverrides,
)
from bot.model.repository import Repository
from bot.model.work import ScheduledWork

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = Repository(7, 1, "acme", "shop")
KEY = EnvironmentKey.preview(SHOP.id, 7)


def environment(status: Status, attempt: Attempt | None = None, repository: Repository = SHOP) -> Environment:
    key = replace(KEY, repository_id=repository.id)
    return Environment(
        key=key,
        repository=repository,
        namespace="gr-shop-7-pr-7",
        generation=1,
        observed_generation=1,
        status=status,
        attempt=attempt or Attempt(),
        overrides=UserOverrides(),
        receipt="",
        created_at=NOW,
        updated_at=NOW,
    )


def at_work(state: EnvironmentState, cause: StatusMessage | None = None) -> Status:
    started = NOW - timedelta(seconds=5)
    phases = {
        Phase.CONFIGURATION: PhaseRecord(started, started + timedelta(seconds=1)),
        Phase.ARTIFACT: PhaseRecord(started + timedelta(seconds=1)),
    }
    return Status(
        state, commit="b" * 40, live_commit="a" * 40, phase=Phase.ARTIFACT, phases=phases, cause=cause
    )


def test_phases_are_told_from_the_first_to_those_that_are_ahead() -> None:
    steps = environment_view(environment(at_work(EnvironmentState.PENDING)), (), None, NOW).steps
    assert [step.phase for step in steps] == list(Phase)
    assert [(step.state, step.seconds) for step in steps[:3]] == [
        (StepState.DONE, 1.0),
        (StepState.RUNNING, 4.0),
        (StepState.AHEAD, None),
    ]


def test_the_phase_that_stopped_says_how() -> None:
    for state, told in (
        (EnvironmentState.WAITING, StepState.WAITING),
        (EnvironmentState.FAILED, StepState.FAILED),
    ):
        assert environment_view(environment(at_work(state)), (), None, NOW).steps[1].state is told


def test_what_runs_is_never_taken_for_what_is_wanted() -> None:
    told = environment_view(environment(at_work(EnvironmentState.PENDING)), (), None, NOW)
    assert headline(told) == "bbbbbbb is being deployed. aaaaaaa still runs."


def test_a_wait_is_told_before_it_is_worth_a_word_on_the_pull_request() -> None:
    short = StatusMessage("Waiting for Deployment shop.", until=NOW + timedelta(minutes=10))
    told = environment_view(
        environment(at_work(EnvironmentState.PENDING), Attempt(wait=short)), (), None, NOW
    )
    assert told.wait == short
    assert told.cause is None
    long = StatusMessage("Waiting for the image.", until=NOW + timedelta(hours=1))
    assert environment_view(environment(at_work(EnvironmentState.WAITING, long)), (), None, NOW).wait == long


def test_runs_that_do_not_get_through_are_told() -> None:
    work = ScheduledWork(False, NOW, 3, "GitHub cannot be reached.")
    assert last_error(work) == "The last run failed (3 times in a row): GitHub cannot be reached."
    assert last_error(None) == ""


def test_decisions_are_passed_on_as_they_were_written() -> None:
    decision = Decision(KEY, NOW, "opened", "bbbbbbb is wanted")
    assert environment_view(
        environment(at_work(EnvironmentState.PENDING)), [decision], None, NOW
    ).decisions == (decision,)


def test_an_environment_is_called_by_key_or_by_name() -> None:
    status = Status(EnvironmentState.READY)
    one, other = environment(status), environment(status, repository=Repository(9, 2, "umbrella", "shop"))
    known = [one, other]
    assert matching_environments("preview/7/7", known) == [one]
    assert matching_environments("Acme/Shop#7", known) == [one]
    assert matching_environments("shop#7", known) == known
    assert matching_environments("shop", known) == matching_environments("#7", known) == []
    stage = replace(one, key=EnvironmentKey(EnvironmentKind.STAGE, 7, "staging"))
    assert display_name(stage) == "acme/shop:staging"

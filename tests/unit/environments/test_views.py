"""The view of an environment that pages, the command line and `/why` show."""

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
    phases_of,
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


def in_progress(state: EnvironmentState, cause: StatusMessage | None = None) -> Status:
    started = NOW - timedelta(seconds=5)
    phases = {
        Phase.CONFIGURATION: PhaseRecord(started, started + timedelta(seconds=1)),
        Phase.ARTIFACT: PhaseRecord(started + timedelta(seconds=1)),
    }
    return Status(
        state, commit="b" * 40, live_commit="a" * 40, phase=Phase.ARTIFACT, phases=phases, cause=cause
    )


def test_steps_list_all_phases_in_order() -> None:
    steps = environment_view(environment(in_progress(EnvironmentState.PENDING)), (), None, NOW).steps
    assert [step.phase for step in steps] == list(phases_of(EnvironmentKind.PREVIEW))
    assert [(step.state, step.seconds) for step in steps[:3]] == [
        (StepState.DONE, 1.0),
        (StepState.RUNNING, 4.0),
        (StepState.AHEAD, None),
    ]


def test_stopped_phase_is_waiting_or_failed() -> None:
    for state, expected in (
        (EnvironmentState.WAITING, StepState.WAITING),
        (EnvironmentState.FAILED, StepState.FAILED),
    ):
        assert environment_view(environment(in_progress(state)), (), None, NOW).steps[1].state is expected


def test_headline_separates_desired_and_live_commit() -> None:
    view = environment_view(environment(in_progress(EnvironmentState.PENDING)), (), None, NOW)
    assert headline(view) == "bbbbbbb is being deployed. aaaaaaa still runs."


def test_short_wait_is_shown_before_it_is_a_cause() -> None:
    short = StatusMessage("Waiting for Deployment shop.", until=NOW + timedelta(minutes=10))
    view = environment_view(
        environment(in_progress(EnvironmentState.PENDING), Attempt(wait=short)), (), None, NOW
    )
    assert view.wait == short
    assert view.cause is None
    long = StatusMessage("Waiting for the image.", until=NOW + timedelta(hours=1))
    assert (
        environment_view(environment(in_progress(EnvironmentState.WAITING, long)), (), None, NOW).wait == long
    )


def test_last_error_counts_failed_runs() -> None:
    work = ScheduledWork(False, NOW, 3, "GitHub cannot be reached.")
    assert last_error(work) == "The last run failed (3 times in a row): GitHub cannot be reached."
    assert last_error(None) == ""


def test_decisions_are_unchanged() -> None:
    decision = Decision(KEY, NOW, "opened", "Deploying bbbbbbb.")
    assert environment_view(
        environment(in_progress(EnvironmentState.PENDING)), [decision], None, NOW
    ).decisions == (decision,)


def test_environment_is_selected_by_key_or_name() -> None:
    status = Status(EnvironmentState.READY)
    acme, umbrella = environment(status), environment(status, repository=Repository(9, 2, "umbrella", "shop"))
    environments = [acme, umbrella]
    assert matching_environments("preview/7/7", environments) == [acme]
    assert matching_environments("Acme/Shop#7", environments) == [acme]
    assert matching_environments("shop#7", environments) == environments
    assert matching_environments("shop", environments) == matching_environments("#7", environments) == []
    stage = replace(acme, key=EnvironmentKey(EnvironmentKind.STAGE, 7, "staging"))
    assert display_name(stage) == "acme/shop:staging"

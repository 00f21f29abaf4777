"""CI's result for a commit, from check runs and commit statuses."""

from __future__ import annotations

from typing import Any

import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from bot.github.resources.checks import CheckOutcome, Checks, newest_runs, overall_state
from bot.model.ci import Ci, CiState
from tests.unit.github.github_api import APP_ID, REPO, SHOP, Clock, client_at, mints_tokens

COMMIT = "a" * 40
RUNS, STATUSES = f"{REPO}/commits/{COMMIT}/check-runs", f"{REPO}/commits/{COMMIT}/status"
ACTIONS, OTHER = 15368, 29110
_CONCLUSIONS = (
    *("success", "neutral", "skipped"),
    *("failure", "timed_out", "cancelled", "action_required", "startup_failure", "stale"),
    *("", "a conclusion of next year"),
)


def _failed(*names: str, settled: bool = True) -> Ci:
    return Ci(CiState.FAILED, names, settled)


PENDING = Ci(CiState.PENDING, settled=False)

VERDICTS: list[tuple[list[str], Ci]] = [
    ([], Ci(CiState.NONE)),
    (["success", "neutral", "skipped"], Ci(CiState.PASSED)),
    (["success", "pending"], PENDING),
    (["failure", "pending"], PENDING),
    (["success", "failure"], _failed("check-1")),
    (["timed_out", "error", "cancelled"], _failed("check-0", "check-1", "check-2")),
    (["success", "stale"], _failed("check-1")),
    (["startup_failure", "action_required", ""], _failed("check-0", "check-1", "check-2")),
]


@pytest.mark.parametrize(("states", "expected"), VERDICTS)
def test_ci_state_of_several_results_of_one_source(states: list[str], expected: Ci) -> None:
    assert overall_state([CheckOutcome(f"check-{n}", state) for n, state in enumerate(states)]) == expected


@given(st.sampled_from(_CONCLUSIONS))
def test_only_success_neutral_and_skipped_pass(conclusion: str) -> None:
    passed = overall_state([CheckOutcome("build", conclusion)]).state is CiState.PASSED
    assert passed == (conclusion in ("success", "neutral", "skipped"))


def test_pending_check_of_another_source_hides_no_failure() -> None:
    failure = CheckOutcome("build", "failure", ACTIONS)
    license = CheckOutcome("license", "pending", "bot")
    assert overall_state([failure, license]) == _failed("build", settled=False)
    image = CheckOutcome("image", "pending", ACTIONS)
    assert overall_state([failure, image]) == PENDING
    lint = CheckOutcome("lint", "failure", OTHER)
    assert overall_state([failure, image, lint]) == _failed("lint", settled=False)


def _run(id: int, conclusion: str | None, *, name: str = "build", app: int = ACTIONS) -> dict[str, Any]:
    status = "in_progress" if conclusion is None else "completed"
    return {"id": id, "name": name, "app": {"id": app}, "status": status, "conclusion": conclusion}


def test_newest_run_of_an_app_and_name_counts() -> None:
    cancelled_duplicate = [_run(2, "success"), _run(1, "cancelled")]
    assert overall_state(newest_runs(cancelled_duplicate)) == Ci(CiState.PASSED)
    assert overall_state(newest_runs([_run(1, "success"), _run(2, "failure")])) == _failed("build")
    assert overall_state(newest_runs([_run(1, "failure"), _run(2, None)])) == PENDING
    assert overall_state(newest_runs([_run(1, "failure"), _run(2, "success", app=OTHER)])) == _failed("build")


@given(
    st.lists(
        st.tuples(st.integers(1, 2), st.sampled_from("ab"), st.none() | st.sampled_from(_CONCLUSIONS)),
        max_size=8,
    ).flatmap(lambda runs: st.permutations(list(enumerate(runs))))
)
def test_order_of_the_list_does_not_matter(runs: list[tuple[int, tuple[int, str, str | None]]]) -> None:
    """Only the newest of each App and name decides, wherever GitHub lists it."""
    listed = [_run(id + 1, conclusion, name=name, app=app) for id, (app, name, conclusion) in runs]
    newest = {(app, name): conclusion for _, (app, name, conclusion) in sorted(runs)}
    results = {(result.source, result.name): result.state for result in newest_runs(listed)}
    assert results == {key: "pending" if state is None else state for key, state in newest.items()}


@respx.mock
async def test_ci_ignores_our_own_check_runs() -> None:
    clock = Clock()
    mints_tokens(clock)
    runs, statuses = respx.get(RUNS), respx.get(STATUSES)
    async with client_at(clock) as client:
        checks = Checks(client, APP_ID)
        runs.respond(json={"check_runs": [_run(1, None, app=APP_ID)]})
        statuses.respond(json={"state": "pending", "statuses": []})
        assert (await checks.ci(SHOP, COMMIT)).state is CiState.NONE
        runs.respond(json={"check_runs": [_run(1, None, app=APP_ID), _run(2, "success")]})
        lint = {"context": "lint", "state": "failure", "avatar_url": "https://github.example.com/u/1"}
        other = {"context": "cla", "state": "pending", "avatar_url": "https://github.example.com/u/2"}
        statuses.respond(json={"statuses": [lint, other]})
        assert await checks.ci(SHOP, COMMIT) == _failed("lint", settled=False)


@respx.mock
async def test_check_states_take_the_worst_of_several_sources() -> None:
    clock = Clock()
    mints_tokens(clock)
    listed = [
        _run(1, "stale", name="stale"),
        _run(3, "success"),
        _run(2, "cancelled"),
        _run(4, None, name="slow"),
    ]
    respx.get(RUNS).respond(json={"total_count": 4, "check_runs": listed})
    statuses = [{"context": "build", "state": "success"}, {"context": "slow", "state": "error"}]
    respx.get(STATUSES).respond(json={"total_count": 2, "statuses": statuses})
    async with client_at(clock) as client:
        states = await Checks(client, APP_ID).check_states(SHOP, COMMIT)
    assert states == {"stale": CiState.FAILED, "build": CiState.PASSED, "slow": CiState.FAILED}

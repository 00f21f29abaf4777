"""Results of a repository's own CI for a commit: check runs and commit statuses, without ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import items, number, text
from bot.model.ci import Ci, CiState
from bot.model.repository import Repository

_FAILED = frozenset({"failure", "timed_out", "cancelled", "action_required", "startup_failure", "error"})


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """One check run or commit status. `state` is its conclusion, or its status until it has one."""

    name: str
    state: str


def overall_state(results: Sequence[CheckOutcome]) -> Ci:
    """Pending while any check runs: a failed check may be unrelated to the image that is being built."""
    if not results:
        return Ci(CiState.NONE)
    if any(result.state == "pending" for result in results):
        return Ci(CiState.PENDING)
    failed = tuple(sorted({result.name for result in results if result.state in _FAILED}))
    return Ci(CiState.FAILED, failed) if failed else Ci(CiState.PASSED)


class Checks:
    """Reads check runs and commit statuses of other Apps."""

    def __init__(self, client: GitHubClient, app_id: int) -> None:
        self._client = client
        self._app_id = app_id

    async def ci(self, repository: Repository, commit: str) -> Ci:
        return overall_state(await self._results(repository, commit))

    async def check_states(self, repository: Repository, commit: str) -> Mapping[str, CiState]:
        """The state of each check by name; of several with one name the worst counts."""
        by_name: dict[str, list[CheckOutcome]] = {}
        for result in await self._results(repository, commit):
            by_name.setdefault(result.name, []).append(result)
        return {name: overall_state(results).state for name, results in by_name.items()}

    async def _results(self, repository: Repository, commit: str) -> list[CheckOutcome]:
        base = f"/repos/{repository.full_name}/commits/{commit}"
        results: list[CheckOutcome] = []
        async for page in self._client.pages(repository.installation_id, f"{base}/check-runs"):
            results += [
                CheckOutcome(text(run, "name"), _state(run))
                for run in items(page, "check_runs")
                if number(run, "app", "id") != self._app_id
            ]
        async for page in self._client.pages(repository.installation_id, f"{base}/status"):
            results += [
                CheckOutcome(text(status, "context"), text(status, "state"))
                for status in items(page, "statuses")
            ]
        return results


def _state(run: object) -> str:
    return (text(run, "conclusion") or "success") if text(run, "status") == "completed" else "pending"

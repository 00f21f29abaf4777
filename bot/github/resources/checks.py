"""Results of a repository's own CI for a commit: check runs and commit statuses, without ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import number, text
from bot.model.ci import Ci, CiState
from bot.model.repository import Repository

_PASSED = frozenset({"success", "neutral", "skipped"})
_PENDING = "pending"


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """One check run or commit status. `state` is its conclusion, or "pending" until it has one."""

    name: str
    state: str
    source: object = ""
    """The App of a check run, or the author of a commit status."""

    @property
    def failed(self) -> bool:
        """Like GitHub, accepts only these conclusions: `stale`, for example, is not one of them."""
        return self.state != _PENDING and self.state not in _PASSED


def overall_state(results: Iterable[CheckOutcome]) -> Ci:
    """Failed once a source with a failed check has no pending one.

    While the same source is still working, its failed check may be unrelated to the image that it builds;
    the pending check of another source, which may never end, hides no failure.
    """
    results = tuple(results)
    if not results:
        return Ci(CiState.NONE)
    pending = {result.source for result in results if result.state == _PENDING}
    failed = {result.name for result in results if result.failed and result.source not in pending}
    if failed:
        return Ci(CiState.FAILED, tuple(sorted(failed)), settled=not pending)
    return Ci(CiState.PENDING, settled=False) if pending else Ci(CiState.PASSED)


class Checks:
    """Reads check runs and commit statuses of other Apps."""

    def __init__(self, client: GitHubClient, app_id: int) -> None:
        self._client = client
        self._app_id = app_id

    async def ci(self, repository: Repository, commit: str) -> Ci:
        return overall_state(await self._results(repository, commit))

    async def check_states(self, repository: Repository, commit: str) -> Mapping[str, CiState]:
        """The state of each check by name; of several sources with one name the worst counts."""
        by_name: dict[str, list[CheckOutcome]] = {}
        for result in await self._results(repository, commit):
            by_name.setdefault(result.name, []).append(result)
        return {name: overall_state(results).state for name, results in by_name.items()}

    async def _results(self, repository: Repository, commit: str) -> Sequence[CheckOutcome]:
        base = f"/repos/{repository.full_name}/commits/{commit}"
        pages = self._client.pages(repository.installation_id, f"{base}/check-runs", key="check_runs")
        runs = [run async for page in pages for run in page if number(run, "app", "id") != self._app_id]
        pages = self._client.pages(repository.installation_id, f"{base}/status", key="statuses")
        statuses = [
            # The list names no author, but the address of the author's picture.
            CheckOutcome(text(status, "context"), text(status, "state"), text(status, "avatar_url"))
            async for page in pages
            for status in page
        ]
        return [*newest_runs(runs), *statuses]


def newest_runs(runs: Iterable[object]) -> Sequence[CheckOutcome]:
    """The newest check run of each App and name: a check that ran again, in whatever suite, counts once."""
    newest: dict[tuple[int | None, str], object] = {}
    for run in sorted(runs, key=lambda run: number(run, "id") or 0):
        newest[number(run, "app", "id"), text(run, "name")] = run
    return [CheckOutcome(name, _state(run), app) for (app, name), run in newest.items()]


def _state(run: object) -> str:
    return text(run, "conclusion") if text(run, "status") == "completed" else _PENDING

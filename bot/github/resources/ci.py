"""What the repository's own CI says of a commit: check runs and commit statuses, ours left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.github.client.client import Client
from bot.github.client.fields import items, number, text
from bot.model.ci import Ci, CiState
from bot.model.repository import Repository

_FAILED = frozenset({"failure", "timed_out", "cancelled", "action_required", "startup_failure", "error"})


@dataclass(frozen=True, slots=True)
class Result:
    """One check run or commit status; `state` is its conclusion once it has one, in GitHub's words."""

    name: str
    state: str


def verdict(results: Sequence[Result]) -> Ci:
    """Pending while anything runs: what failed may have nothing to do with the image that still builds."""
    if not results:
        return Ci(CiState.NONE)
    if any(result.state == "pending" for result in results):
        return Ci(CiState.PENDING)
    failed = tuple(sorted({result.name for result in results if result.state in _FAILED}))
    return Ci(CiState.FAILED, failed) if failed else Ci(CiState.PASSED)


async def read_ci(client: Client, app_id: int, repository: Repository, commit: str) -> Ci:
    return verdict(await _results(client, app_id, repository, commit))


async def read_checks(
    client: Client, app_id: int, repository: Repository, commit: str
) -> Mapping[str, CiState]:
    """Each check by its name, ours left out; of several with one name the worst counts."""
    found: dict[str, list[Result]] = {}
    for result in await _results(client, app_id, repository, commit):
        found.setdefault(result.name, []).append(result)
    return {name: verdict(results).state for name, results in found.items()}


async def _results(client: Client, app_id: int, repository: Repository, commit: str) -> list[Result]:
    base = f"/repos/{repository.full_name}/commits/{commit}"
    results: list[Result] = []
    async for page in client.pages(repository.installation_id, f"{base}/check-runs"):
        results += [
            Result(text(run, "name"), _state(run))
            for run in items(page, "check_runs")
            if number(run, "app", "id") != app_id
        ]
    async for page in client.pages(repository.installation_id, f"{base}/status"):
        results += [Result(text(one, "context"), text(one, "state")) for one in items(page, "statuses")]
    return results


def _state(run: object) -> str:
    return (text(run, "conclusion") or "success") if text(run, "status") == "completed" else "pending"

"""Reports on a pull request, on a GitHub that answers over HTTP, crashes and loses responses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.embedded.github.operations.deployments import Actor
from bot.model.environment import (
    CheckResult,
    CheckState,
    EndReason,
    EnvironmentKey,
    EnvironmentState,
    Status,
    StatusMessage,
)
from bot.model.errors import Rejected, Superseded, Unavailable
from tests.contract.github_harness import URL, GitHubHarness, failed, pending, ready, shop_harness

PREVIEW = "greenroom/preview"


@pytest.fixture
async def harness() -> AsyncIterator[GitHubHarness]:
    async with shop_harness() as harness:
        yield harness


def push(harness: GitHubHarness, text: str) -> str:
    harness.github.repositories.push("acme/shop", "price", {"price.txt": text}, by="ben")
    return harness.github.world.repository("acme/shop").branches["price"]


def gone(commit: str, end: EndReason = EndReason.CLOSED) -> Status:
    cause = StatusMessage(
        "The pull request was closed." if end is EndReason.CLOSED else "The preview expired."
    )
    return Status(EnvironmentState.GONE, commit=commit, cause=cause, end=end)


async def test_lifecycle_of_a_preview_takes_at_most_14_calls(harness: GitHubHarness) -> None:
    app, shop = harness.app, harness.repository

    first = await harness.pull()
    await app.contents.default_branch_file(shop, ".greenroom.yml")
    await harness.report(first, pending(first.head_sha))
    assert await app.contents.files(shop, first.head_sha, {""})
    await harness.report(first, ready(first.head_sha))

    push(harness, "3\n")
    second = await harness.pull()
    await app.contents.default_branch_file(shop, ".greenroom.yml")
    await harness.report(second, pending(second.head_sha, first.head_sha))
    assert await app.contents.files(shop, second.head_sha, {""})
    await harness.report(second, ready(second.head_sha))

    harness.github.pulls.close("acme/shop", 1, by="ben")
    closed = await harness.pull()
    await harness.report(closed, gone(closed.head_sha))

    calls = harness.api_calls()
    assert len(calls) <= 14, calls
    assert harness.deployments == [(first.head_sha, "inactive"), (second.head_sha, "inactive")]
    assert harness.checks(first.head_sha) == harness.checks(second.head_sha) == {PREVIEW: "success"}
    assert len(harness.comments) == 1
    assert "The preview was deleted" in harness.comments[0]


async def test_deferrable_reports_yield_to_other_writes(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    running = CheckResult("smoke", CheckState.RUNNING)
    for _ in range(3):
        await harness.report(pull, pending(pull.head_sha))
        await harness.report(pull, ready(pull.head_sha))
    receipt = harness.receipt
    with pytest.raises(Unavailable) as refused:
        await harness.report(pull, replace(pending(pull.head_sha), checks=(running,)), deferrable=True)
    assert refused.value.retry_at is not None
    assert harness.receipt == receipt, "nothing was begun"
    await harness.report(pull, ready(pull.head_sha, (replace(running, state=CheckState.PASSED),)))
    assert harness.checks(pull.head_sha) == {PREVIEW: "success", "greenroom/smoke": "success"}


async def test_unchanged_status_writes_nothing(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    for status in (pending(pull.head_sha), ready(pull.head_sha)):
        await harness.report(pull, status)
        harness.github.requests.clear()
        saves = len(harness.saves)
        await harness.report(pull, status)
        await harness.restart()
        await harness.report(pull, status)
        assert harness.api_calls() == []
        assert len(harness.saves) == saves


async def test_progress_creates_no_comment(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    await harness.report(pull, pending(pull.head_sha))
    assert harness.comments == []
    assert harness.checks(pull.head_sha) == {PREVIEW: "in_progress"}


async def test_check_run_is_never_successful_for_an_old_commit(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    await harness.report(pull, ready(pull.head_sha))
    assert URL in harness.comments[0]

    newer = push(harness, "3\n")
    moved = await harness.pull()
    await harness.report(moved, pending(newer, pull.head_sha))

    [comment] = harness.comments
    assert f"Updating the preview to `{newer[:7]}`" in comment
    assert f"still serves the previous commit, `{pull.head_sha[:7]}`" in comment
    assert "ready" not in comment
    assert harness.checks(newer) == {PREVIEW: "in_progress"}


async def test_check_runs_of_a_superseded_head_are_cancelled(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    running = (CheckResult("smoke", CheckState.RUNNING),)
    await harness.report(pull, replace(pending(pull.head_sha), checks=running))
    newer = push(harness, "3\n")
    await harness.report(await harness.pull(), pending(newer))
    assert harness.checks(pull.head_sha) == {PREVIEW: "cancelled", "greenroom/smoke": "cancelled"}


async def test_named_check_is_a_check_run_with_its_log(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    checks = (
        CheckResult("http-healthz", CheckState.PASSED, "`GET /healthz` returned 200.", seconds=0.2),
        CheckResult("smoke", CheckState.FAILED, "The Job failed.", "```\nAssertionError: 3 != 4", 12.0),
    )
    await harness.report(pull, ready(pull.head_sha, checks))
    assert harness.checks(pull.head_sha) == {
        PREVIEW: "success",
        "greenroom/http-healthz": "success",
        "greenroom/smoke": "failure",
    }
    [smoke] = harness.github.checks.runs("acme/shop", pull.head_sha, "greenroom/smoke")
    assert smoke.output.text == "````text\n```\nAssertionError: 3 != 4\n````"


async def test_deployment_has_commit_and_url(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    await harness.report(pull, ready(pull.head_sha))
    [deployment] = harness.github.deployments.of("acme/shop")
    assert deployment.environment == "preview"
    assert deployment.ref == deployment.sha == pull.head_sha
    assert deployment.transient
    assert not deployment.production
    [status] = deployment.statuses
    assert status.environment_url == URL
    assert status.log_url == f"https://greenroom.example.com/environments/preview/{harness.repository.id}/1"


async def test_reopened_pull_request_reuses_objects(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    await harness.report(pull, ready(pull.head_sha))
    await harness.report(pull, gone(pull.head_sha))
    assert harness.deployments == [(pull.head_sha, "inactive")]
    await harness.report(pull, pending(pull.head_sha))
    assert harness.checks(pull.head_sha) == {PREVIEW: "in_progress"}
    await harness.report(pull, ready(pull.head_sha))
    assert harness.deployments == [(pull.head_sha, "success")]
    assert len(harness.comments) == 1


async def test_expired_preview_is_not_successful(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    await harness.report(pull, ready(pull.head_sha))
    await harness.report(pull, gone(pull.head_sha, EndReason.EXPIRED))
    assert harness.checks(pull.head_sha) == {PREVIEW: "neutral"}


async def test_pull_request_closed_early_gets_no_comment(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    await harness.report(pull, gone(pull.head_sha))
    assert harness.comments == []
    assert harness.checks(pull.head_sha) == {}


async def test_fork_gets_a_comment_about_the_approval(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    cause = StatusMessage("A user with write access to acme/shop can approve it.")
    refused = Status(EnvironmentState.REFUSED, commit=pull.head_sha, cause=cause, end=EndReason.FORK)
    await harness.report(pull, refused)
    assert harness.checks(pull.head_sha) == {PREVIEW: "action_required"}
    assert "write access to acme/shop" in harness.comments[0]


async def test_deleted_comment_is_recreated_once(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    await harness.report(pull, failed(pull.head_sha, "It crashed."))
    for expected in (1, 0, 0):
        for comment in harness.github.comments.on("acme/shop", 1):
            harness.github.comments.delete(comment.id, by="ben")
        await harness.report(
            pull, failed(pull.head_sha, f"It crashed, {expected} left of {len(harness.saves)}.")
        )
        assert len(harness.comments) == expected


async def test_marker_of_another_author_is_ignored(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    imitation = f"<!-- greenroom preview/{harness.repository.id}/1 -->"
    harness.github.comments.create("acme/shop", 1, imitation, by="ben")
    harness.github.faults.add("error", times=1, path="^/graphql$")
    with pytest.raises(Unavailable):
        await harness.report(pull, failed(pull.head_sha, "It crashed."))
    await harness.report(pull, failed(pull.head_sha, "It crashed."))
    bodies = harness.comments
    assert bodies[0] == imitation
    assert len(bodies) == 2
    assert "It crashed." in bodies[1]


@pytest.mark.parametrize("path", ["^/graphql$", "/deployments$"])
async def test_error_after_a_successful_write_creates_no_duplicate(harness: GitHubHarness, path: str) -> None:
    pull = await harness.pull()
    harness.github.faults.add("error_after", times=1, method="POST", path=path, status=502)
    with pytest.raises(Unavailable):
        await harness.report(pull, ready(pull.head_sha))
    await harness.restart()
    await harness.report(pull, ready(pull.head_sha))
    assert harness.checks(pull.head_sha) == {PREVIEW: "success"}
    assert harness.deployments == [(pull.head_sha, "success")]
    assert len(harness.comments) == 1


class _Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("survives", [0, 1])
async def test_crash_around_a_write_creates_no_duplicate(harness: GitHubHarness, survives: int) -> None:
    """Either before the first write, or after it and before its response was stored."""
    pull = await harness.pull()
    remembered, save = 0, harness.save

    async def dying(receipt: str) -> None:
        nonlocal remembered
        if remembered == survives:
            raise _Killed
        remembered += 1
        await save(receipt)

    harness.save = dying  # type: ignore[method-assign]  # the store that dies
    with pytest.raises(_Killed):
        await harness.report(pull, ready(pull.head_sha))
    harness.save = save  # type: ignore[method-assign]  # the running one
    await harness.restart()
    await harness.report(pull, ready(pull.head_sha))
    assert harness.checks(pull.head_sha) == {PREVIEW: "success"}
    assert harness.deployments == [(pull.head_sha, "success")]
    assert len(harness.comments) == 1


async def test_stale_worker_writes_nothing(harness: GitHubHarness) -> None:
    pull = await harness.pull()

    async def closed() -> None:
        raise Superseded("the head changed")

    harness.fence = closed  # type: ignore[method-assign]  # the fence of a lost claim
    harness.github.requests.clear()
    with pytest.raises(Superseded):
        await harness.report(pull, ready(pull.head_sha))
    assert harness.github.requests.writes == []
    assert (harness.comments, harness.deployments) == ([], [])


async def test_missing_permission_blocks_only_its_writes(harness: GitHubHarness) -> None:
    [installation] = harness.github.world.state.installations.values()
    installation.permissions["deployments"] = "read"
    pull = await harness.pull()
    with pytest.raises(Rejected, match=r"deployments.*write"):
        await harness.report(pull, ready(pull.head_sha))
    assert harness.checks(pull.head_sha) == {PREVIEW: "success"}
    assert len(harness.comments) == 1

    installation.permissions["deployments"] = "write"
    await harness.restart()
    await harness.report(pull, ready(pull.head_sha))
    assert harness.deployments == [(pull.head_sha, "success")]
    assert len(harness.comments) == 1


async def test_rejected_mutation_does_not_affect_the_others(harness: GitHubHarness) -> None:
    [installation] = harness.github.world.state.installations.values()
    installation.permissions["checks"] = "read"
    pull = await harness.pull()
    with pytest.raises(Rejected, match="needs the permission checks: write"):
        await harness.report(pull, ready(pull.head_sha))
    assert len(harness.comments) == 1
    assert harness.deployments == [(pull.head_sha, "success")]


async def test_rate_limit_is_reported_and_stored(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    harness.github.faults.add("rate_limit", times=1, path="^/graphql$", seconds=60)
    with pytest.raises(Unavailable) as limited:
        await harness.report(pull, failed(pull.head_sha, "It crashed."))
    assert limited.value.retry_at is not None
    harness.github.requests.clear()
    with pytest.raises(Unavailable):
        await harness.pull()
    assert harness.api_calls() == []


async def test_deployments_without_receipt_are_set_to_inactive(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    await harness.report(pull, ready(pull.head_sha))
    harness.receipt = ""  # the store was lost
    assert await harness.app.deployments.active_deployments(harness.repository, {1}) == set()
    assert await harness.app.deployments.active_deployments(harness.repository, set()) == {1}
    key = EnvironmentKey.preview(pull.repository.id, 1)
    assert await harness.app.deployments.retire(key, pull, harness.fence) == 1
    assert harness.deployments == [(pull.head_sha, "inactive")]
    assert await harness.app.deployments.retire(key, pull, harness.fence) == 0
    assert await harness.app.deployments.active_deployments(harness.repository, set()) == set()


async def test_deployments_of_other_previews_are_unchanged(harness: GitHubHarness) -> None:
    """All previews share one environment on GitHub; older versions gave each its own."""
    pull = await harness.pull()
    await harness.report(pull, ready(pull.head_sha))
    harness.receipt = ""
    other = EnvironmentKey.preview(pull.repository.id, 2)
    assert await harness.app.deployments.retire(other, pull, harness.fence) == 0
    [deployment] = harness.github.deployments.of("acme/shop")
    deployment.environment = "preview/pr-1"
    assert await harness.app.deployments.active_deployments(harness.repository, set()) == {1}
    own = EnvironmentKey.preview(pull.repository.id, 1)
    assert await harness.app.deployments.retire(own, pull, harness.fence) == 1


async def test_deployments_of_others_are_unchanged(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    fields = {"environment": "preview/pr-1", "required_contexts": [], "auto_merge": False}
    made = harness.github.deployments.create("acme/shop", pull.head_sha, Actor("ben"), fields)
    harness.github.deployments.add_status(made, Actor("ben"), {"state": "success"})
    assert await harness.app.deployments.active_deployments(harness.repository, set()) == set()
    key = EnvironmentKey.preview(pull.repository.id, 1)
    assert await harness.app.deployments.retire(key, pull, harness.fence) == 0
    assert harness.deployments == [(pull.head_sha, "success")]

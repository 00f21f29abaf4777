"""What people see on a pull request, on a GitHub that answers over HTTP, dies and forgets answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.embedded.github import GitHubServer
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
from tests.contract.github_desk import FILES, URL, Desk, failed, pending, ready

PREVIEW = "greenroom/preview"


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    with GitHubServer() as server:
        server.accounts.create_organization("acme")
        server.accounts.create_user("ben")
        server.repositories.create("acme/shop", FILES)
        server.repositories.set_role("acme/shop", "ben", "write")
        server.repositories.push("acme/shop", "price", {"price.txt": "2\n"}, by="ben")
        server.pulls.open("acme/shop", "price", by="ben", title="Raise the price")
        server.apps.install("acme", by="ben")
        desk = Desk(server)
        yield desk
        await desk.app.close()


def push(desk: Desk, text: str) -> str:
    desk.github.repositories.push("acme/shop", "price", {"price.txt": text}, by="ben")
    return desk.github.world.repository("acme/shop").branches["price"]


def gone(commit: str, end: EndReason = EndReason.CLOSED) -> Status:
    cause = StatusMessage(
        "The pull request was closed." if end is EndReason.CLOSED else "The preview expired."
    )
    return Status(EnvironmentState.GONE, commit=commit, cause=cause, end=end)


async def test_lifecycle_of_a_preview_takes_at_most_14_calls(desk: Desk) -> None:
    app, shop = desk.app, desk.repository

    first = await desk.pull()
    await app.contents.default_branch_file(shop, ".greenroom.yml")
    await desk.report(first, pending(first.head_sha))
    assert await app.contents.files(shop, first.head_sha)
    await desk.report(first, ready(first.head_sha))

    push(desk, "3\n")
    second = await desk.pull()
    await app.contents.default_branch_file(shop, ".greenroom.yml")
    await desk.report(second, pending(second.head_sha, first.head_sha))
    assert await app.contents.files(shop, second.head_sha)
    await desk.report(second, ready(second.head_sha))

    desk.github.pulls.close("acme/shop", 1, by="ben")
    closed = await desk.pull()
    await desk.report(closed, gone(closed.head_sha))

    calls = desk.api_calls()
    assert len(calls) <= 14, calls
    assert desk.deployments == [(first.head_sha, "inactive"), (second.head_sha, "inactive")]
    assert desk.checks(first.head_sha) == desk.checks(second.head_sha) == {PREVIEW: "success"}
    assert len(desk.comments) == 1
    assert "The preview was deleted" in desk.comments[0]


async def test_deferrable_reports_yield_to_other_writes(desk: Desk) -> None:
    pull = await desk.pull()
    running = CheckResult("smoke", CheckState.RUNNING)
    for _ in range(3):
        await desk.report(pull, pending(pull.head_sha))
        await desk.report(pull, ready(pull.head_sha))
    receipt = desk.receipt
    with pytest.raises(Unavailable) as refused:
        await desk.report(pull, replace(pending(pull.head_sha), checks=(running,)), deferrable=True)
    assert refused.value.retry_at is not None
    assert desk.receipt == receipt, "nothing was begun"
    await desk.report(pull, ready(pull.head_sha, (replace(running, state=CheckState.PASSED),)))
    assert desk.checks(pull.head_sha) == {PREVIEW: "success", "greenroom/smoke": "success"}


async def test_unchanged_status_writes_nothing(desk: Desk) -> None:
    pull = await desk.pull()
    for status in (pending(pull.head_sha), ready(pull.head_sha)):
        await desk.report(pull, status)
        desk.github.requests.clear()
        saves = len(desk.saves)
        await desk.report(pull, status)
        await desk.restart()
        await desk.report(pull, status)
        assert desk.api_calls() == []
        assert len(desk.saves) == saves


async def test_progress_creates_no_comment(desk: Desk) -> None:
    pull = await desk.pull()
    await desk.report(pull, pending(pull.head_sha))
    assert desk.comments == []
    assert desk.checks(pull.head_sha) == {PREVIEW: "in_progress"}


async def test_check_run_is_never_successful_for_an_old_commit(desk: Desk) -> None:
    pull = await desk.pull()
    await desk.report(pull, ready(pull.head_sha))
    assert URL in desk.comments[0]

    newer = push(desk, "3\n")
    moved = await desk.pull()
    await desk.report(moved, pending(newer, pull.head_sha))

    [comment] = desk.comments
    assert f"Updating the preview to `{newer[:7]}`" in comment
    assert f"still serves the previous commit, `{pull.head_sha[:7]}`" in comment
    assert "ready" not in comment
    assert desk.checks(newer) == {PREVIEW: "in_progress"}


async def test_check_runs_of_a_superseded_head_are_cancelled(desk: Desk) -> None:
    pull = await desk.pull()
    running = (CheckResult("smoke", CheckState.RUNNING),)
    await desk.report(pull, replace(pending(pull.head_sha), checks=running))
    newer = push(desk, "3\n")
    await desk.report(await desk.pull(), pending(newer))
    assert desk.checks(pull.head_sha) == {PREVIEW: "cancelled", "greenroom/smoke": "cancelled"}


async def test_named_check_is_a_check_run_with_its_log(desk: Desk) -> None:
    pull = await desk.pull()
    checks = (
        CheckResult("http-healthz", CheckState.PASSED, "`GET /healthz` returned 200.", seconds=0.2),
        CheckResult("smoke", CheckState.FAILED, "The Job failed.", "```\nAssertionError: 3 != 4", 12.0),
    )
    await desk.report(pull, ready(pull.head_sha, checks))
    assert desk.checks(pull.head_sha) == {
        PREVIEW: "success",
        "greenroom/http-healthz": "success",
        "greenroom/smoke": "failure",
    }
    [smoke] = desk.github.checks.runs("acme/shop", pull.head_sha, "greenroom/smoke")
    assert smoke.output.text == "````text\n```\nAssertionError: 3 != 4\n````"


async def test_deployment_has_commit_and_url(desk: Desk) -> None:
    pull = await desk.pull()
    await desk.report(pull, ready(pull.head_sha))
    [deployment] = desk.github.deployments.of("acme/shop")
    assert deployment.environment == "preview/pr-1"
    assert deployment.ref == deployment.sha == pull.head_sha
    assert deployment.transient
    assert not deployment.production
    [status] = deployment.statuses
    assert status.environment_url == URL
    assert status.log_url == f"https://greenroom.example.com/environments/preview/{desk.repository.id}/1"


async def test_reopened_pull_request_reuses_objects(desk: Desk) -> None:
    pull = await desk.pull()
    await desk.report(pull, ready(pull.head_sha))
    await desk.report(pull, gone(pull.head_sha))
    assert desk.deployments == [(pull.head_sha, "inactive")]
    await desk.report(pull, pending(pull.head_sha))
    assert desk.checks(pull.head_sha) == {PREVIEW: "in_progress"}
    await desk.report(pull, ready(pull.head_sha))
    assert desk.deployments == [(pull.head_sha, "success")]
    assert len(desk.comments) == 1


async def test_expired_preview_is_not_successful(desk: Desk) -> None:
    pull = await desk.pull()
    await desk.report(pull, ready(pull.head_sha))
    await desk.report(pull, gone(pull.head_sha, EndReason.EXPIRED))
    assert desk.checks(pull.head_sha) == {PREVIEW: "neutral"}


async def test_pull_request_closed_early_gets_no_comment(desk: Desk) -> None:
    pull = await desk.pull()
    await desk.report(pull, gone(pull.head_sha))
    assert desk.comments == []
    assert desk.checks(pull.head_sha) == {}


async def test_fork_gets_a_comment_about_the_approval(desk: Desk) -> None:
    pull = await desk.pull()
    cause = StatusMessage("Somebody with write access to acme/shop can allow it.")
    refused = Status(EnvironmentState.REFUSED, commit=pull.head_sha, cause=cause, end=EndReason.FORK)
    await desk.report(pull, refused)
    assert desk.checks(pull.head_sha) == {PREVIEW: "action_required"}
    assert "write access to acme/shop" in desk.comments[0]


async def test_deleted_comment_is_recreated_once(desk: Desk) -> None:
    pull = await desk.pull()
    await desk.report(pull, failed(pull.head_sha, "It crashed."))
    for expected in (1, 0, 0):
        for comment in desk.github.comments.on("acme/shop", 1):
            desk.github.comments.delete(comment.id, by="ben")
        await desk.report(pull, failed(pull.head_sha, f"It crashed, {expected} left of {len(desk.saves)}."))
        assert len(desk.comments) == expected


async def test_marker_of_another_author_is_ignored(desk: Desk) -> None:
    pull = await desk.pull()
    imitation = f"<!-- greenroom preview/{desk.repository.id}/1 -->"
    desk.github.comments.create("acme/shop", 1, imitation, by="ben")
    desk.github.faults.add("error", times=1, path="^/graphql$")
    with pytest.raises(Unavailable):
        await desk.report(pull, failed(pull.head_sha, "It crashed."))
    await desk.report(pull, failed(pull.head_sha, "It crashed."))
    bodies = desk.comments
    assert bodies[0] == imitation
    assert len(bodies) == 2
    assert "It crashed." in bodies[1]


@pytest.mark.parametrize("path", ["^/graphql$", "/deployments$"])
async def test_error_after_a_successful_write_creates_no_duplicate(desk: Desk, path: str) -> None:
    pull = await desk.pull()
    desk.github.faults.add("error_after", times=1, method="POST", path=path, status=502)
    with pytest.raises(Unavailable):
        await desk.report(pull, ready(pull.head_sha))
    await desk.restart()
    await desk.report(pull, ready(pull.head_sha))
    assert desk.checks(pull.head_sha) == {PREVIEW: "success"}
    assert desk.deployments == [(pull.head_sha, "success")]
    assert len(desk.comments) == 1


class _Killed(BaseException):
    """kill -9, as far as the process can tell."""


@pytest.mark.parametrize("survives", [0, 1])
async def test_crash_around_a_write_creates_no_duplicate(desk: Desk, survives: int) -> None:
    """Either before the first write, or after it and before its answer was remembered."""
    pull = await desk.pull()
    remembered, save = 0, desk.save

    async def dying(receipt: str) -> None:
        nonlocal remembered
        if remembered == survives:
            raise _Killed
        remembered += 1
        await save(receipt)

    desk.save = dying  # type: ignore[method-assign]  # the store that dies
    with pytest.raises(_Killed):
        await desk.report(pull, ready(pull.head_sha))
    desk.save = save  # type: ignore[method-assign]  # the one that lives
    await desk.restart()
    await desk.report(pull, ready(pull.head_sha))
    assert desk.checks(pull.head_sha) == {PREVIEW: "success"}
    assert desk.deployments == [(pull.head_sha, "success")]
    assert len(desk.comments) == 1


async def test_stale_worker_writes_nothing(desk: Desk) -> None:
    pull = await desk.pull()

    async def closed() -> None:
        raise Superseded("the head changed")

    desk.fence = closed  # type: ignore[method-assign]  # the fence of a lost claim
    desk.github.requests.clear()
    with pytest.raises(Superseded):
        await desk.report(pull, ready(pull.head_sha))
    assert desk.github.requests.writes == []
    assert (desk.comments, desk.deployments) == ([], [])


async def test_missing_permission_blocks_only_its_writes(desk: Desk) -> None:
    [installation] = desk.github.world.state.installations.values()
    installation.permissions["deployments"] = "read"
    pull = await desk.pull()
    with pytest.raises(Rejected, match=r"deployments.*write"):
        await desk.report(pull, ready(pull.head_sha))
    assert desk.checks(pull.head_sha) == {PREVIEW: "success"}
    assert len(desk.comments) == 1

    installation.permissions["deployments"] = "write"
    await desk.restart()
    await desk.report(pull, ready(pull.head_sha))
    assert desk.deployments == [(pull.head_sha, "success")]
    assert len(desk.comments) == 1


async def test_rejected_mutation_does_not_affect_the_others(desk: Desk) -> None:
    [installation] = desk.github.world.state.installations.values()
    installation.permissions["checks"] = "read"
    pull = await desk.pull()
    with pytest.raises(Rejected, match="needs the permission checks: write"):
        await desk.report(pull, ready(pull.head_sha))
    assert len(desk.comments) == 1
    assert desk.deployments == [(pull.head_sha, "success")]


async def test_rate_limit_is_reported_and_stored(desk: Desk) -> None:
    pull = await desk.pull()
    desk.github.faults.add("rate_limit", times=1, path="^/graphql$", seconds=60)
    with pytest.raises(Unavailable) as limited:
        await desk.report(pull, failed(pull.head_sha, "It crashed."))
    assert limited.value.retry_at is not None
    desk.github.requests.clear()
    with pytest.raises(Unavailable):
        await desk.pull()
    assert desk.api_calls() == []


async def test_deployments_without_receipt_are_set_to_inactive(desk: Desk) -> None:
    pull = await desk.pull()
    await desk.report(pull, ready(pull.head_sha))
    desk.receipt = ""  # the store was lost
    assert await desk.app.deployments.active_deployments(desk.repository, {1}) == set()
    assert await desk.app.deployments.active_deployments(desk.repository, set()) == {1}
    key = EnvironmentKey.preview(pull.repository.id, 1)
    assert await desk.app.deployments.retire(key, pull, desk.fence) == 1
    assert desk.deployments == [(pull.head_sha, "inactive")]
    assert await desk.app.deployments.retire(key, pull, desk.fence) == 0
    assert await desk.app.deployments.active_deployments(desk.repository, set()) == set()


async def test_deployments_of_others_are_unchanged(desk: Desk) -> None:
    pull = await desk.pull()
    fields = {"environment": "preview/pr-1", "required_contexts": [], "auto_merge": False}
    made = desk.github.deployments.create("acme/shop", pull.head_sha, Actor("ben"), fields)
    desk.github.deployments.add_status(made, Actor("ben"), {"state": "success"})
    assert await desk.app.deployments.active_deployments(desk.repository, set()) == set()
    key = EnvironmentKey.preview(pull.repository.id, 1)
    assert await desk.app.deployments.retire(key, pull, desk.fence) == 0
    assert desk.deployments == [(pull.head_sha, "success")]

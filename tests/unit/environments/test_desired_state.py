"""The desired state of a preview, before and after the configuration is read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.config.loader import parse_configuration
from bot.config.schema import Configuration
from bot.environments.desired_state import Absent, Present, after_configuration, before_configuration
from bot.github.messages.environment_reasons import describe
from bot.model.environment import EndReason, EnvironmentState, Status, UserOverrides
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PULL = PullRequest(
    repository=Repository(7, 1, "acme", "shop"),
    number=3,
    node_id="PR_3",
    repository_node_id="R_7",
    title="A blue shop",
    author="ada",
    author_is_bot=False,
    open=True,
    merged=False,
    draft=False,
    head_sha="a" * 40,
    head_ref="blue",
    head_repository_id=7,
    base_ref="main",
    default_branch="main",
    labels=(),
    updated_at=NOW,
)
NEW = Status(EnvironmentState.PENDING)


def configured(skip: str) -> Configuration:
    always = "version: 1\nimages: {shop: acme/shop}\nmanifests: {plain: deploy}\n"
    return parse_configuration(always + f"preview: {{skip: {{{skip}}}}}")


def end(pull: PullRequest, status: Status = NEW) -> EndReason | None:
    desired = before_configuration(pull, status, UserOverrides(), NOW)
    return desired.end if isinstance(desired, Absent) else None


def test_open_pull_request_has_a_preview() -> None:
    assert end(PULL) is None


def test_closed_and_merged_pull_requests_have_no_preview() -> None:
    assert end(replace(PULL, open=False)) is EndReason.CLOSED
    assert end(replace(PULL, open=False, merged=True)) is EndReason.MERGED


@pytest.mark.parametrize("head", [8, None])
def test_head_outside_the_repository_is_a_fork(head: int | None) -> None:
    desired = before_configuration(replace(PULL, head_repository_id=head), NEW, UserOverrides(), NOW)
    assert isinstance(desired, Absent)
    assert desired.end is EndReason.FORK
    assert "write access to acme/shop" in describe(desired.reason)


def test_fork_runs_allowed_commit_or_trusted_author() -> None:
    fork = replace(PULL, head_repository_id=8)
    allowed = UserOverrides(allowed_commit=PULL.head_sha, allowed_by="ada")
    assert before_configuration(fork, NEW, allowed, NOW) == Present()
    assert isinstance(before_configuration(replace(fork, head_sha="b" * 40), NEW, allowed, NOW), Absent)
    assert before_configuration(fork, NEW, UserOverrides(), NOW, author_trusted=True) == Present()


def test_destroyed_preview_stays_deleted_after_a_push() -> None:
    desired = before_configuration(
        replace(PULL, head_sha="b" * 40), NEW, UserOverrides(destroyed_by="ada"), NOW
    )
    assert isinstance(desired, Absent)
    assert desired.end is EndReason.DESTROYED
    assert "`ada`" in describe(desired.reason)


def test_preview_stays_expired_until_a_push() -> None:
    ready = Status(EnvironmentState.READY, commit=PULL.head_sha, expires_at=NOW - timedelta(seconds=1))
    assert end(PULL, ready) is EndReason.EXPIRED
    gone = Status(EnvironmentState.GONE, commit=PULL.head_sha, end=EndReason.EXPIRED)
    assert end(PULL, gone) is EndReason.EXPIRED
    assert end(replace(PULL, head_sha="b" * 40), gone) is None


def test_deletion_of_expired_preview_continues() -> None:
    deleting = Status(
        EnvironmentState.DELETING,
        commit=PULL.head_sha,
        end=EndReason.EXPIRED,
        expires_at=NOW - timedelta(seconds=1),
    )
    assert end(PULL, deleting) is EndReason.EXPIRED


@pytest.mark.parametrize(
    ("skip", "pull", "rule"),
    [
        ("drafts: true", replace(PULL, draft=True), "draft"),
        ("drafts: false", replace(PULL, draft=True), None),
        ("bots: true", replace(PULL, author_is_bot=True), "bot"),
        ("bots: false", replace(PULL, author_is_bot=True), None),
        ("labels: [wip]", replace(PULL, labels=("wip",)), "'wip'"),
        ("labels: [wip]", replace(PULL, labels=("WIP",)), "'wip'"),
        ("labels: [No-Preview]", replace(PULL, labels=("bug", "no-preview")), "'No-Preview'"),
        ("labels: [wip]", replace(PULL, labels=("bug",)), None),
    ],
)
def test_skip_reason_names_the_rule(skip: str, pull: PullRequest, rule: str | None) -> None:
    desired = after_configuration(pull, configured(skip), None)
    if rule is None:
        assert desired == Present()
    else:
        assert isinstance(desired, Absent)
        assert rule in describe(desired.reason)
        assert "preview.skip." in describe(desired.reason)


@pytest.mark.parametrize(
    ("paths", "skipped"),
    [
        (["docs/a.md"], True),
        (["docs/a.md", "shop/server.py"], False),
        (["docs/deep/er/b.md", "README.md"], True),
        ([], False),
    ],
)
def test_preview_is_skipped_if_every_path_matches(paths: list[str], skipped: bool) -> None:
    desired = after_configuration(PULL, configured('paths_only: ["docs/**", "*.md"]'), paths)
    assert isinstance(desired, Absent) is skipped

"""What a pull request should have."""

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
    desire = before_configuration(pull, status, UserOverrides(), NOW)
    return desire.end if isinstance(desire, Absent) else None


def test_an_open_pull_request_wants_its_preview() -> None:
    assert end(PULL) is None


def test_closed_and_merged_ones_want_none() -> None:
    assert end(replace(PULL, open=False)) is EndReason.CLOSED
    assert end(replace(PULL, open=False, merged=True)) is EndReason.MERGED


@pytest.mark.parametrize("head", [8, None])
def test_a_head_that_is_not_provably_in_the_repository_is_a_fork(head: int | None) -> None:
    desire = before_configuration(replace(PULL, head_repository_id=head), NEW, UserOverrides(), NOW)
    assert isinstance(desire, Absent)
    assert desire.end is EndReason.FORK
    assert "write access to acme/shop" in describe(desire.reason)


def test_a_fork_runs_the_commit_that_was_allowed_or_what_a_trusted_author_pushed() -> None:
    fork = replace(PULL, head_repository_id=8)
    allowed = UserOverrides(allowed_commit=PULL.head_sha, allowed_by="ada")
    assert before_configuration(fork, NEW, allowed, NOW) == Present()
    assert isinstance(before_configuration(replace(fork, head_sha="b" * 40), NEW, allowed, NOW), Absent)
    assert before_configuration(fork, NEW, UserOverrides(), NOW, author_trusted=True) == Present()


def test_what_somebody_had_taken_away_stays_away_also_after_a_push() -> None:
    desire = before_configuration(
        replace(PULL, head_sha="b" * 40), NEW, UserOverrides(destroyed_by="ada"), NOW
    )
    assert isinstance(desire, Absent)
    assert desire.end is EndReason.DESTROYED
    assert "`ada`" in describe(desire.reason)


def test_time_is_up_until_a_push() -> None:
    ready = Status(EnvironmentState.READY, commit=PULL.head_sha, expires_at=NOW - timedelta(seconds=1))
    assert end(PULL, ready) is EndReason.EXPIRED
    gone = Status(EnvironmentState.GONE, commit=PULL.head_sha, end=EndReason.EXPIRED)
    assert end(PULL, gone) is EndReason.EXPIRED
    assert end(replace(PULL, head_sha="b" * 40), gone) is None


def test_a_deletion_that_began_on_time_goes_on() -> None:
    deleting = Status(
        EnvironmentState.DELETING,
        commit=PULL.head_sha,
        end=EndReason.EXPIRED,
        expires_at=NOW - timedelta(seconds=1),
    )
    assert end(PULL, deleting) is EndReason.EXPIRED


@pytest.mark.parametrize(
    ("skip", "pull", "told"),
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
def test_what_is_skipped_says_which_rule_it_was(skip: str, pull: PullRequest, told: str | None) -> None:
    desire = after_configuration(pull, configured(skip), None)
    if told is None:
        assert desire == Present()
    else:
        assert isinstance(desire, Absent)
        assert told in describe(desire.reason)
        assert "preview.skip." in describe(desire.reason)


@pytest.mark.parametrize(
    ("paths", "skipped"),
    [
        (["docs/a.md"], True),
        (["docs/a.md", "shop/server.py"], False),
        (["docs/deep/er/b.md", "README.md"], True),
        ([], False),
    ],
)
def test_a_preview_is_skipped_only_when_every_path_may_be(paths: list[str], skipped: bool) -> None:
    desire = after_configuration(PULL, configured('paths_only: ["docs/**", "*.md"]'), paths)
    assert isinstance(desire, Absent) is skipped

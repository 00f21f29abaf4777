"""Random histories: no commit counts as reviewed unless a second person saw exactly its content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.github.resources.authorship import commit_authors, with_pushers
from bot.model.commit import UnknownAuthor, UnknownRole
from bot.model.pull_request import PullRequest, Review
from bot.model.release import Origin
from bot.promotions.provenance import (
    Doubt,
    Provenance,
    Reviewed,
    built_from_fork,
    corrected,
    needs_trees,
    reviewed,
    source,
    vouched_commit,
)
from tests.unit.environments.test_desired_state import PULL
from tests.unit.promotions.stage_fixtures import NOW, SHOP, release

PEOPLE = ("ada", "bea", "cem")
Writer = tuple[str, bool]
"""A person, and whether GitHub attributes what they do to their account."""
CoAuthor = tuple[str, int]
"""A person, and how a trailer names them."""
TRAILERS = (
    "Co-authored-by: {name} <{name}@work.example.com>",
    "Co-authored-by: {name} <{name}@home.example.com>",
    "Co-authored-by: {name} <1+{name}@users.noreply.github.com>",
    "Co-authored-by: {name} <1+renamed@users.noreply.github.com>",
    "Co-authored-by : {name} <{name}@home.example.com>",
    "Co-authored-by: Ada <ada@work.example.com>, {name} <{name}@home.example.com>",
)
"""The first address is known where GitHub attributes a commit of the pull request with it."""
NOREPLY = (2, 3)


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    tree: str
    author: Writer
    co_authors: tuple[CoAuthor, ...] = ()
    pushed_by: Writer = ("ada", True)
    built_by_fork: bool = False

    @property
    def people(self) -> set[str]:
        """Everyone who took part, whether GitHub knows them or not."""
        return {login for login, _ in (self.author, *self.co_authors, self.pushed_by)}

    def as_json(self) -> dict[str, Any]:
        """The author as GitHub returns it: an address without an account has no login."""
        login, linked = self.author
        domain = "work.example.com" if linked else "users.noreply.github.com"
        address = f"{login if linked else 'invented'}@{domain}"
        trailers = (TRAILERS[form].format(name=name) for name, form in self.co_authors)
        account = {"login": login} if linked else None
        text = {"author": {"email": address}, "committer": {"email": address}}
        message = "\n".join(["Change", "", *trailers])
        return {
            "sha": self.sha,
            "author": account,
            "committer": account,
            "commit": {**text, "message": message},
        }


@dataclass
class Pull:
    number: int
    author: str
    from_fork: bool
    base: str
    commits: list[Commit] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    """Reviews with their time, which GitHub shows to the second."""
    base_changes: list[datetime] = field(default_factory=list)
    seen: set[tuple[str, str, str]] = field(default_factory=set)
    """Reviewer, commit and base of each approval."""
    merge: Commit | None = None

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def as_read(self) -> PullRequest:
        return replace(
            PULL,
            repository=SHOP,
            number=self.number,
            author=self.author,
            head_sha=self.head.sha,
            head_repository_id=None if self.from_fork else SHOP.id,
            base_ref=self.base,
            merged=self.merge is not None,
            merge_commit=self.merge.sha if self.merge is not None else None,
        )


class History:
    """People open, push, review and merge pull requests, or push to the default branch."""

    def __init__(self) -> None:
        self.commits: dict[str, Commit] = {}
        self.pulls: list[Pull] = []
        self.brought_by: dict[str, list[Pull]] = {}
        self.vouched: dict[str, set[str]] = {}
        """Who vouched for which commit."""
        self._serial = 0
        self._actions = 0

    def commit(
        self,
        author: Writer,
        *co_authors: CoAuthor,
        by: Writer | None = None,
        tree: str = "",
        fork: bool = False,
    ) -> Commit:
        self._serial += 1
        tree = tree or f"t{self._serial}"
        commit = Commit(f"c{self._serial}", tree, author, co_authors, by or author, fork)
        self.commits[commit.sha] = commit
        return commit

    def push(
        self, pull: Pull, author: Writer, *co_authors: CoAuthor, by: Writer | None = None, force: bool = False
    ) -> None:
        if force:
            for dropped in pull.commits:
                self.brought_by.pop(dropped.sha, None)
            pull.commits = []
        commit = self.commit(author, *co_authors, by=by, fork=pull.from_fork)
        pull.commits.append(commit)
        self.brought_by[commit.sha] = [pull]

    def review(self, pull: Pull, by: str, approved: bool) -> None:
        pull.reviews.append(Review(by, approved, pull.head.sha, self.now))
        if approved:
            pull.seen.add((by, pull.head.sha, pull.base))

    def retarget(self, pull: Pull, base: str) -> None:
        if base != pull.base:
            pull.base = base
            pull.base_changes.append(self.now)
            pull.seen.clear()

    @property
    def now(self) -> datetime:
        """Two actions per second."""
        self._actions += 1
        return NOW + timedelta(seconds=self._actions // 2)

    def merge(self, pull: Pull, method: str, by: str, behind: bool) -> None:
        """If the base moved, the trees of merge and head differ."""
        if method == "fast-forward":  # GitHub marks it as merged
            pull.merge = pull.head
            return
        tree = f"merged-{pull.head.tree}" if behind else pull.head.tree
        if method == "rebase":
            for commit in pull.commits[:-1]:
                copy = self.commit(commit.author, *commit.co_authors, tree=f"rebased-{commit.tree}")
                self.brought_by[copy.sha] = [pull]
        author = (by, True) if method == "merge" else pull.head.author
        pull.merge = self.commit(author, by=(by, True), tree=tree)
        self.brought_by[pull.merge.sha] = [pull]

    def reopen_elsewhere(self, pull: Pull, author: str, base: str) -> None:
        """A second pull request with the same commits."""
        second = Pull(len(self.pulls) + 1, author, pull.from_fork, base, list(pull.commits))
        self.pulls.append(second)
        for commit in second.commits:
            self.brought_by[commit.sha] = [*self.brought_by.get(commit.sha, []), second]


@st.composite
def histories(draw: st.DrawFn) -> History:
    history = History()
    person = st.sampled_from(PEOPLE)
    author = st.tuples(person, st.booleans())
    co_author = st.tuples(person, st.integers(0, len(TRAILERS) - 1))
    base = st.sampled_from(("main", "main", "develop"))
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.sampled_from((True, False, False))):
            history.commit(draw(author))  # a direct push
            continue
        pull = Pull(len(history.pulls) + 1, draw(person), draw(st.booleans()), draw(base))
        history.pulls.append(pull)
        history.push(pull, draw(author))
        for _ in range(draw(st.integers(0, 4))):
            action = draw(st.sampled_from(("push", "force", "review", "review", "co-author", "retarget")))
            if action == "review":
                history.review(pull, draw(person), draw(st.booleans()))
            elif action == "retarget":
                history.retarget(pull, draw(base))
            else:
                co_authors = [draw(co_author)] if action == "co-author" else []
                by = draw(author)
                history.push(pull, draw(author), *co_authors, by=by, force=action == "force")
        if draw(st.booleans()):
            history.vouched.setdefault(pull.head.sha, set()).add(draw(person))
        if draw(st.booleans()):
            method = draw(st.sampled_from(("merge", "squash", "rebase", "fast-forward")))
            history.merge(pull, method, draw(person), draw(st.booleans()))
        if draw(st.booleans()):
            history.reopen_elsewhere(pull, draw(person), draw(base))
    return history


def listed(history: History, sha: str) -> Sequence[PullRequest]:
    """What GitHub lists for a commit."""
    return [pull.as_read() for pull in history.brought_by.get(sha, ())]


def provenance(history: History, sha: str) -> Provenance:
    """What the bot reads about a commit."""
    pulls = listed(history, sha)
    pull = source(sha, pulls)
    record = history.pulls[pull.number - 1] if pull is not None else None
    commits = record.commits if record is not None else [history.commits[sha]]
    pushes = [{"after": commit.sha, "actor": _actor(commit.pushed_by)} for commit in commits]
    authors = with_pushers(commit_authors([commit.as_json() for commit in commits]), pushes, commits[-1].sha)
    vouched_by = tuple(history.vouched.get(vouched_commit(sha, pull), ()))
    read = Provenance(authors=authors.logins, unknown=authors.unknown, vouched_by=vouched_by)
    if pull is None or record is None:
        return read
    changed_at = max(record.base_changes, default=None)
    latest = {review.by: replace(review, base_changed_at=changed_at) for review in record.reviews}
    from_fork = built_from_fork(sha, pulls)
    read = replace(read, pull=pull, from_fork=from_fork, reviews=tuple(latest.values()))
    if not needs_trees(sha, pull):
        return read
    return replace(read, tree=history.commits[sha].tree, head_tree=record.head.tree)


def _actor(pushed_by: Writer) -> dict[str, str] | None:
    login, linked = pushed_by
    return {"login": login} if linked else None


@given(histories())
def test_reviewers_saw_exactly_the_content_and_wrote_none_of_it(history: History) -> None:
    for sha, commit in history.commits.items():
        read = provenance(history, sha)
        verdict = reviewed(sha, read)
        if isinstance(verdict, Doubt) or not verdict.by:
            continue
        assert read.pull is not None
        record = history.pulls[read.pull.number - 1]
        assert record.base == "main"
        assert commit.tree == record.head.tree
        for reviewer in verdict.by:
            assert (reviewer, record.head.sha, "main") in record.seen
            assert reviewer != record.author
            wrote = {person for written in record.commits for person in written.people}
            vouchers = history.vouched.get(record.head.sha, set())
            assert reviewer not in (vouchers if reviewer in wrote else wrote)
            assert reviewer not in wrote or vouchers, "a maintainer answers for the unknown author"


@given(histories())
def test_unknown_authors_and_pushers_are_reviewed_only_with_a_voucher(history: History) -> None:
    for sha in history.commits:
        read = provenance(history, sha)
        if read.pull is None or history.vouched.get(vouched_commit(sha, read.pull)):
            continue
        commits = history.pulls[read.pull.number - 1].commits
        linked = {login for commit in commits for login, is_linked in [commit.author] if is_linked}
        co_authors = [
            (name, form in NOREPLY or (form == 0 and name in linked))
            for commit in commits
            for name, form in commit.co_authors
        ]
        people = [*(commit.author for commit in commits), *co_authors, commits[-1].pushed_by]
        if not all(is_linked for _, is_linked in people):
            assert isinstance(reviewed(sha, read), Doubt)


@given(histories())
def test_direct_pushes_are_never_reviewed(history: History) -> None:
    for sha in history.commits:
        if not history.brought_by.get(sha):
            assert reviewed(sha, provenance(history, sha)) is Doubt.NO_PULL_REQUEST


@given(histories(), st.data())
def test_reviews_of_another_pull_request_never_count(history: History, data: st.DataObject) -> None:
    """A pull request that did not bring the commit does not cover it, whichever it is."""
    for sha in history.commits:
        for pull in history.pulls:
            if pull not in history.brought_by.get(sha, ()):
                claimed = replace(provenance(history, pull.head.sha), pull=pull.as_read())
                assert isinstance(reviewed(sha, claimed), Doubt)


@given(histories())
def test_builds_of_forks_are_recognised(history: History) -> None:
    for sha, commit in history.commits.items():
        if commit.built_by_fork and history.brought_by.get(sha):
            assert built_from_fork(sha, listed(history, sha))


@given(histories())
def test_merge_commits_are_builds_of_the_repository(history: History) -> None:
    for pull in history.pulls:
        if pull.merge is not None and pull.merge.sha != pull.head.sha:
            assert not built_from_fork(pull.merge.sha, listed(history, pull.merge.sha))


@given(histories())
def test_unreadable_facts_never_count_as_reviewed(history: History) -> None:
    for sha in history.commits:
        read = provenance(history, sha)
        assert reviewed(sha, None) is Doubt.UNREADABLE
        assert isinstance(reviewed(sha, replace(read, reviews=None)), Doubt)
        assert isinstance(reviewed(sha, replace(read, authors=None)), Doubt)
        if read.pull is not None and needs_trees(sha, read.pull):
            assert isinstance(reviewed(sha, replace(read, tree="", head_tree="")), Doubt)


@given(histories(), st.tuples(st.sampled_from(PEOPLE), st.booleans()), st.booleans())
def test_push_after_the_review_voids_it(history: History, author: Writer, force: bool) -> None:
    for pull in list(history.pulls):
        if pull.merge is None:
            old = pull.head.sha
            history.push(pull, author, force=force)
            verdict = reviewed(pull.head.sha, provenance(history, pull.head.sha))
            assert isinstance(verdict, Doubt) or not verdict.by
            assert isinstance(
                reviewed(old, Provenance(pull.as_read(), False, (), tuple(pull.reviews))), Doubt
            )


@given(histories())
def test_change_of_the_base_after_the_review_voids_it(history: History) -> None:
    for pull in history.pulls:
        if pull.merge is None:
            history.retarget(pull, "develop")
            history.retarget(pull, "main")
            read = provenance(history, pull.head.sha)
            if read.pull is None or read.pull.number == pull.number:
                verdict = reviewed(pull.head.sha, read)
                assert isinstance(verdict, Doubt) or not verdict.by


HEAD, MERGE = "head", "merge"
MERGED = replace(PULL, number=7, author="ada", head_sha=HEAD, merged=True, merge_commit=MERGE)
READ = Provenance(MERGED, False, ("ada",), (Review("Bea", True, HEAD),), "tree", "tree")
UNKNOWN = (UnknownAuthor(HEAD, UnknownRole.AUTHOR),)
BY_BEA = Reviewed(frozenset({"bea"}))
OUTDATED = Reviewed(frozenset(), outdated=frozenset({"bea"}))


def approved_at(submitted_at: datetime | None, *, base_changed_at: datetime | None) -> Provenance:
    return replace(READ, reviews=(Review("Bea", True, HEAD, submitted_at, base_changed_at),))


@pytest.mark.parametrize(
    ("commit", "read", "expected"),
    [
        (HEAD, READ, BY_BEA),
        (MERGE, READ, BY_BEA),
        ("between", READ, Doubt.NOT_THE_HEAD),
        (MERGE, replace(READ, pull=replace(MERGED, merged=False)), Doubt.NOT_THE_HEAD),
        (HEAD, replace(READ, pull=None), Doubt.NO_PULL_REQUEST),
        (MERGE, replace(READ, tree="other"), Doubt.CONTENT_CHANGED),
        (MERGE, replace(READ, head_tree=""), Doubt.UNREADABLE),
        (HEAD, replace(READ, pull=replace(MERGED, base_ref="next")), Doubt.OTHER_BRANCH),
        (HEAD, approved_at(NOW, base_changed_at=None), BY_BEA),
        (HEAD, approved_at(NOW, base_changed_at=NOW - timedelta(seconds=1)), BY_BEA),
        (HEAD, approved_at(NOW, base_changed_at=NOW), OUTDATED),
        (MERGE, approved_at(NOW, base_changed_at=NOW + timedelta(days=1)), OUTDATED),
        (HEAD, approved_at(None, base_changed_at=NOW), OUTDATED),
        (HEAD, replace(READ, authors=("ada", "BEA")), Reviewed(frozenset())),
        (HEAD, replace(READ, unknown=UNKNOWN), Doubt.UNKNOWN_AUTHOR),
        (HEAD, replace(READ, unknown=UNKNOWN, vouched_by=("cem",)), BY_BEA),
        (HEAD, replace(READ, unknown=UNKNOWN, vouched_by=("BEA",)), Reviewed(frozenset())),
    ],
)
def test_review_covers_only_the_head_and_its_own_merge(
    commit: str, read: Provenance, expected: Reviewed | Doubt
) -> None:
    assert reviewed(commit, read) == expected


def test_source_prefers_the_pull_request_that_merged_the_commit() -> None:
    opened = replace(MERGED, number=8, merged=False, merge_commit=None)
    contains = replace(MERGED, number=9, merge_commit="other", head_sha="newer")
    assert source(MERGE, [opened, contains, MERGED]) == MERGED
    assert source(HEAD, [opened, contains]) == contains
    assert source(HEAD, []) is None


@pytest.mark.parametrize("origin", Origin)
def test_number_of_a_branch_build_is_what_github_reports(origin: Origin) -> None:
    stored = release(origin=origin)
    fork = Provenance(replace(MERGED, number=8), from_fork=True)
    assert corrected(stored, None) == stored
    assert corrected(stored, fork).number == (7 if origin is Origin.PREVIEW else 8)
    assert corrected(stored, fork).from_fork
    assert corrected(stored, Provenance()).number == (7 if origin is Origin.PREVIEW else None)

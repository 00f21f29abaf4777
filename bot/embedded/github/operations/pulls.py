"""Pull requests, from opening to merging."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal

from bot.embedded.github.errors import GitHubError, invalid
from bot.embedded.github.hooks import events
from bot.embedded.github.state.changes import merge_trees
from bot.embedded.github.state.objects import Commit
from bot.embedded.github.state.records import Label, Pull, Repository, Review, TimelineEvent
from bot.embedded.github.state.world import World

from .repositories import Repositories

MergeMethod = Literal["merge", "squash", "rebase"]


class Pulls:
    def __init__(self, world: World, repositories: Repositories) -> None:
        self._world = world
        self._repositories = repositories

    def open(
        self,
        full_name: str,
        head: str,
        *,
        by: str,
        title: str = "",
        body: str | None = None,
        base: str | None = None,
        draft: bool = False,
    ) -> Pull:
        """HEAD is a branch of the repository, or `OWNER:BRANCH` of that owner's fork."""
        world = self._world
        with world.lock:
            repository = world.repository(full_name)
            source, branch = self._head(repository, head)
            base = base or repository.default_branch
            if branch not in source.branches:
                raise invalid("PullRequest", "head", "invalid")
            if base not in repository.branches:
                raise invalid("PullRequest", "base", "invalid")
            if any(b.id == repository.id and p.base_ref == base for b, p in world.pulls_from(source, branch)):
                message = f"A pull request already exists for {source.owner}:{branch}."
                raise invalid("PullRequest", "head", "custom", message)
            now = world.now()
            pull = Pull(
                id=world.next_id("pull"),
                issue_id=world.next_id("issue"),
                repository_id=repository.id,
                number=repository.next_number,
                title=title or branch,
                body=body,
                author=world.account(by).login,
                head_repository_id=source.id,
                head_ref=branch,
                head_sha=source.branches[branch],
                base_ref=base,
                base_sha=repository.branches[base],
                created_at=now,
                updated_at=now,
                draft=draft,
            )
            repository.next_number += 1
            world.state.pulls.setdefault(repository.id, {})[pull.number] = pull
            events.pull_request(world, repository, pull, "opened", by)
            return pull

    def get(self, full_name: str, number: int) -> Pull:
        with self._world.lock:
            return self._find(full_name, number)[1]

    def of(self, full_name: str) -> list[Pull]:
        """Open and closed, oldest first."""
        with self._world.lock:
            return self._world.pulls(self._world.repository(full_name))

    def _head(self, repository: Repository, head: str) -> tuple[Repository, str]:
        owner, colon, branch = head.partition(":")
        if not colon or owner.lower() == repository.owner.lower():
            return repository, branch or owner
        for fork in self._world.state.repositories.values():
            if fork.network == repository.network and fork.owner.lower() == owner.lower():
                return fork, branch
        raise invalid("PullRequest", "head", "invalid")

    def close(self, full_name: str, number: int, *, by: str) -> None:
        with self._world.lock:
            repository, pull = self._find(full_name, number)
            if pull.state == "closed":
                return
            now = self._world.now()
            pull.state, pull.closed_at = "closed", now
            self._note(pull, by, "closed this")
            events.pull_request(self._world, repository, pull, "closed", by)

    def reopen(self, full_name: str, number: int, *, by: str) -> None:
        with self._world.lock:
            repository, pull = self._find(full_name, number)
            source = self._world.state.repositories.get(pull.head_repository_id or 0)
            if pull.merged_at or not source or pull.head_ref not in source.branches:
                raise GitHubError(422, "state cannot be changed. The head branch has been deleted or merged.")
            if pull.state == "open":
                return
            pull.state, pull.closed_at = "open", None
            pull.head_sha = source.branches[pull.head_ref]
            self._note(pull, by, "reopened this")
            events.pull_request(self._world, repository, pull, "reopened", by)

    def edit(
        self, full_name: str, number: int, *, by: str, title: str | None = None, base: str | None = None
    ) -> None:
        with self._world.lock:
            repository, pull = self._find(full_name, number)
            changes: dict[str, object] = {}
            if title is not None and title != pull.title:
                changes["title"] = {"from": pull.title}
                self._note(pull, by, f"changed the title from “{pull.title}”")
                pull.title = title
            if base is not None and base != pull.base_ref:
                changes["base"] = {"ref": {"from": pull.base_ref}, "sha": {"from": pull.base_sha}}
                text = f"changed the base from {pull.base_ref} to {base}"
                self._note(pull, by, text, "BaseRefChangedEvent")
                pull.base_ref, pull.base_sha = base, repository.branches[base]
            if changes:
                events.pull_request(self._world, repository, pull, "edited", by, {"changes": changes})

    def set_draft(self, full_name: str, number: int, draft: bool, *, by: str) -> None:
        with self._world.lock:
            repository, pull = self._find(full_name, number)
            if pull.draft == draft:
                return
            pull.draft = draft
            action = "converted_to_draft" if draft else "ready_for_review"
            self._note(pull, by, "made this a draft" if draft else "marked this as ready for review")
            events.pull_request(self._world, repository, pull, action, by)

    def label(self, full_name: str, number: int, name: str, *, by: str) -> None:
        with self._world.lock:
            repository, pull = self._find(full_name, number)
            if name in pull.labels:
                return
            label = repository.labels.setdefault(name, Label(self._world.next_id("label"), name))
            pull.labels.append(name)
            self._note(pull, by, f"added the label {name}")
            events.labeled(self._world, repository, pull, label, by, added=True)

    def unlabel(self, full_name: str, number: int, name: str, *, by: str) -> None:
        with self._world.lock:
            repository, pull = self._find(full_name, number)
            pull.labels.remove(name)
            self._note(pull, by, f"removed the label {name}")
            events.labeled(self._world, repository, pull, repository.labels[name], by, added=False)

    def review(
        self, full_name: str, number: int, *, by: str, state: str = "APPROVED", body: str = ""
    ) -> Review:
        """STATE is APPROVED, CHANGES_REQUESTED or COMMENTED; bound to the current head."""
        with self._world.lock:
            _, pull = self._find(full_name, number)
            if state != "COMMENTED" and by.lower() == pull.author.lower():
                raise GitHubError(422, "Can not approve your own pull request")
            identity = self._world.next_id("review")
            review = Review(identity, by, state, body, pull.head_sha, self._world.now())
            pull.reviews.append(review)
            verb = {"APPROVED": "approved these changes", "CHANGES_REQUESTED": "requested changes"}
            self._note(pull, by, verb.get(state, "reviewed"))
            return review

    def request_review(self, full_name: str, number: int, reviewer: str, *, by: str) -> None:
        """Request a review. Only the event of it is kept."""
        with self._world.lock:
            repository, pull = self._find(full_name, number)
            self._note(pull, by, f"requested a review from {reviewer}")
            events.review_requested(self._world, repository, pull, reviewer, by)

    def merge(
        self,
        full_name: str,
        number: int,
        *,
        by: str,
        method: MergeMethod = "merge",
        delete_branch: bool = False,
    ) -> str:
        """Merge into the base branch. Returns the SHA that the base branch then has."""
        world = self._world
        with world.lock:
            repository, pull = self._find(full_name, number)
            if pull.state == "closed" or pull.draft:
                raise GitHubError(405, "Pull Request is not mergeable")
            sha = self._merged(repository, pull, by, method)
            now = world.now()
            pull.state, pull.closed_at = "closed", now
            pull.merged_at, pull.merged_by, pull.merge_commit_sha = now, by, sha
            pull.base_sha = repository.branches[pull.base_ref]
            self._note(pull, by, f"merged commit {sha[:7]} into {pull.base_ref}")
            self._repositories.move(repository, pull.base_ref, sha, by=by)
            events.pull_request(world, repository, pull, "closed", by)
            if delete_branch and pull.head_repository_id == repository.id:
                self._repositories.delete_branch(repository.full_name, pull.head_ref, by=by)
            return sha

    def queue(self, full_name: str, number: int, *, by: str) -> str:
        """Put it into the merge queue: a commit on a branch of its own that needs the required checks."""
        with self._world.lock:
            repository, pull = self._find(full_name, number)
            sha = self._merged(repository, pull, by, "merge")
            before = repository.branches[pull.base_ref]
            branch = f"gh-readonly-queue/{pull.base_ref}/pr-{number}-{before}"
            self._repositories.move(repository, branch, sha, by=by)
            events.merge_group(self._world, repository, branch, pull.base_ref, sha, by)
            return sha

    def _merged(self, repository: Repository, pull: Pull, by: str, method: MergeMethod) -> str:
        world, objects = self._world, self._world.git(repository)
        base = objects.commits[repository.branches[pull.base_ref]]
        signature = world.signature(by)
        if method == "rebase":
            return self._rebased(repository, base, objects.between(base.sha, pull.head_sha), by)
        head = objects.commits[pull.head_sha]
        origin = objects.merge_base(base.sha, head.sha)
        tree = merge_trees(objects, objects.commits[origin].tree, base.tree, head.tree) if origin else None
        if tree is None:
            raise GitHubError(405, "Pull Request is not mergeable")
        if method == "squash":
            title = f"{pull.title} (#{pull.number})"
            author = world.signature(pull.author)
            return objects.write_commit(tree, [base.sha], author, title, by=signature).sha
        label = f"{world.repository(pull.head_repository_id or repository.id).owner}/{pull.head_ref}"
        message = f"Merge pull request #{pull.number} from {label}\n\n{pull.title}"
        return objects.write_commit(tree, [base.sha, head.sha], signature, message).sha

    def _rebased(self, repository: Repository, base: Commit, commits: list[Commit], by: str) -> str:
        objects, signature = self._world.git(repository), self._world.signature(by)
        tip = base
        for commit in commits:
            before = objects.commits[commit.parents[0]].tree
            tree = merge_trees(objects, before, tip.tree, commit.tree)
            if tree is None:
                raise GitHubError(405, "This branch can't be rebased")
            # Another commit, as on GitHub, also within the second in which the one before was made.
            at = max(signature.at, commit.committer.at + timedelta(seconds=1))
            tip = objects.write_commit(
                tree, [tip.sha], commit.author, commit.message, by=replace(signature, at=at)
            )
        return tip.sha

    def _find(self, full_name: str, number: int) -> tuple[Repository, Pull]:
        repository = self._world.repository(full_name)
        return repository, self._world.pull(repository, number)

    def _note(self, pull: Pull, actor: str, text: str, kind: str = "") -> None:
        pull.updated_at = self._world.now()
        pull.timeline.append(TimelineEvent(actor, text, pull.updated_at, kind))

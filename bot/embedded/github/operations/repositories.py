"""Repositories, their branches and what is pushed to them."""

from collections.abc import Iterable

from bot.embedded.github.errors import GitHubError
from bot.embedded.github.hooks import events
from bot.embedded.github.hooks.events import NO_COMMIT
from bot.embedded.github.render.accounts import organization, user
from bot.embedded.github.state.objects import Files, Objects, Signature
from bot.embedded.github.state.records import Protection, Push, Repository, Role, TimelineEvent
from bot.embedded.github.state.world import World

from .checks import open_suites


class Repositories:
    def __init__(self, world: World) -> None:
        self._world = world

    def create(
        self,
        full_name: str,
        files: Files | None = None,
        *,
        by: str | None = None,
        repository_id: int | None = None,
        default_branch: str = "main",
        private: bool = True,
    ) -> Repository:
        """A repository whose first commit holds FILES, by its owner or the organisation's first admin."""
        owner_login, _, name = full_name.partition("/")
        with self._world.lock:
            owner = self._world.account(owner_login)
            author = by or (next(iter(owner.members), None) if owner.kind == "Organization" else owner.login)
            objects = Objects()
            tree = objects.write_tree(objects.write_files(files or {"README.md": f"# {name}\n"}))
            signature = self._world.signature(author or "ghost")
            first = objects.write_commit(tree, [], signature, "Initial commit")
            repository = self._record(owner.login, name, default_branch, private, repository_id)
            repository.branches[default_branch] = first.sha
            self._record_push(repository, default_branch, NO_COMMIT, first.sha, author or "ghost")
            self._world.state.objects[repository.network] = objects
            self._notify_installations(repository, author or "ghost")
            self._world.pushed(repository.full_name, first.sha, objects.files(first.sha))
            return repository

    def fork(self, full_name: str, *, by: str, name: str | None = None) -> Repository:
        """Copy a repository into the account of BY."""
        with self._world.lock:
            source = self._world.repository(full_name)
            owner = self._world.account(by)
            fork = self._record(owner.login, name or source.name, source.default_branch, source.private, None)
            fork.network, fork.fork_of = source.network, source.id
            fork.branches = dict(source.branches)
            return fork

    def _record(
        self, owner: str, name: str, default_branch: str, private: bool, repository_id: int | None
    ) -> Repository:
        world, now = self._world, self._world.now()
        identity = repository_id or world.next_id("repository")
        if any(r.full_name.lower() == f"{owner}/{name}".lower() for r in world.state.repositories.values()):
            raise GitHubError(422, "Repository creation failed.")
        repository = Repository(identity, owner, name, identity, default_branch, private, now, now, now)
        world.state.repositories[identity] = repository
        return repository

    def _notify_installations(self, repository: Repository, sender: str) -> None:
        for installation in self._world.state.installations.values():
            if installation.selection == "all" and installation.account.lower() == repository.owner.lower():
                events.selection_changed(self._world, installation, sender, [repository], [])

    def set_role(self, full_name: str, login: str, role: Role) -> None:
        """Set the role of LOGIN; "none" removes it."""
        with self._world.lock:
            collaborators = self._world.repository(full_name).collaborators
            if role == "none":
                collaborators.pop(login.lower(), None)
            else:
                collaborators[login.lower()] = role

    def protect(
        self, full_name: str, branch: str, *, contexts: tuple[str, ...] = (), approving_reviews: int = 0
    ) -> None:
        """Ask for checks and reviews before something is merged into BRANCH."""
        with self._world.lock:
            repository = self._world.repository(full_name)
            repository.protections[branch] = Protection(list(contexts), approving_reviews)

    def push(
        self,
        full_name: str,
        branch: str,
        files: Files,
        *,
        by: str,
        message: str = "Update",
        delete: Iterable[str] = (),
        author: Signature | None = None,
    ) -> str:
        """Commit FILES over the branch (made from the default branch when it is new). Returns the SHA.

        AUTHOR is the commit's author in Git, if it is not the account that pushes.
        """
        with self._world.lock:
            repository = self._world.repository(full_name)
            objects = self._world.git(repository)
            start = repository.branches.get(branch) or repository.branches[repository.default_branch]
            paths = objects.paths(objects.commits[start].tree) | objects.write_files(files)
            for path in delete:
                del paths[path]
            tree = objects.write_tree(paths)
            signature = author or self._world.signature(by)
            commit = objects.write_commit(tree, [start], signature, message)
            self.move(repository, branch, commit.sha, by=by)
            return commit.sha

    def reset_branch(self, full_name: str, branch: str, to: str, *, by: str) -> None:
        """A forced push to a commit that is already there."""
        with self._world.lock:
            repository = self._world.repository(full_name)
            self.move(repository, branch, self._world.commit_sha(repository, to), by=by, forced=True)

    def delete_branch(self, full_name: str, branch: str, *, by: str) -> None:
        with self._world.lock:
            repository = self._world.repository(full_name)
            before = repository.branches.pop(branch)
            self._record_push(repository, branch, before, NO_COMMIT, by)
            events.push(self._world, repository, branch, before, NO_COMMIT, by)
            self._retarget_or_close(repository, branch, by)

    def _retarget_or_close(self, repository: Repository, base: str, by: str) -> None:
        """Pull requests to a deleted branch follow it into the base into which it was merged, or close."""
        world = self._world
        merged = [
            pull
            for pull in world.pulls(repository)
            if pull.merged_at and pull.head_ref == base and pull.head_repository_id == repository.id
        ]
        following = max(merged, key=lambda pull: pull.merged_at or world.now()).base_ref if merged else ""
        for pull in list(world.pulls_to(repository, base)):
            now = pull.updated_at = world.now()
            if following in repository.branches:
                changes = {"base": {"ref": {"from": base}, "sha": {"from": pull.base_sha}}}
                pull.base_ref, pull.base_sha = following, repository.branches[following]
                text = f"changed the base from {base} to {following}"
                pull.timeline.append(TimelineEvent(by, text, now, "AutomaticBaseChangeSucceededEvent"))
                events.pull_request(world, repository, pull, "edited", by, {"changes": changes})
            else:
                pull.state, pull.closed_at = "closed", now
                pull.timeline.append(TimelineEvent(by, f"deleted {base}", now, "BaseRefDeletedEvent"))
                events.pull_request(world, repository, pull, "closed", by)

    def tag(
        self, full_name: str, name: str, *, by: str, at: str | None = None, message: str | None = None
    ) -> str:
        """Make or move a tag; with a MESSAGE an annotated one. Returns the commit that it names."""
        with self._world.lock:
            world, repository = self._world, self._world.repository(full_name)
            commit = world.commit_sha(repository, at or repository.default_branch)
            before = repository.tags.get(name, NO_COMMIT)
            new = commit
            if message is not None:
                new = world.git(repository).write_tag(name, commit, world.signature(by), message).sha
            repository.tags[name] = new
            events.push(world, repository, name, before, new, by, forced=before != NO_COMMIT, kind="tag")
            return commit

    def move(self, repository: Repository, branch: str, sha: str, *, by: str, forced: bool = False) -> None:
        """Point BRANCH at SHA, and notify webhooks, pull requests and CI."""
        world = self._world
        before = repository.branches.get(branch, NO_COMMIT)
        if before == sha:
            return
        repository.branches[branch] = sha
        repository.pushed_at = repository.updated_at = world.now()
        self._record_push(repository, branch, before, sha, by, forced=forced)
        events.push(world, repository, branch, before, sha, by, forced=forced)
        open_suites(world, repository, branch, before, sha, by)
        for pull in world.pulls_to(repository, branch) if forced else ():
            text = f"force-pushed {branch} to {sha[:7]}"
            pull.timeline.append(TimelineEvent(by, text, world.now(), "BaseRefForcePushedEvent"))
        for base, pull in list(world.pulls_from(repository, branch)):
            pull.head_sha, pull.updated_at = sha, world.now()
            pull.base_sha = base.branches.get(pull.base_ref, pull.base_sha)
            extra = {"before": before, "after": sha}
            events.pull_request(world, base, pull, "synchronize", by, extra)
        world.pushed(repository.full_name, sha, world.git(repository).files(sha))

    def _record_push(
        self,
        repository: Repository,
        branch: str,
        before: str,
        after: str,
        by: str,
        *,
        forced: bool = False,
    ) -> None:
        identity, now = self._world.next_id("push"), self._world.now()
        repository.pushes.append(Push(identity, branch, before, after, by, now, forced))

    def rename(self, full_name: str, name: str, *, by: str) -> None:
        with self._world.lock:
            repository = self._world.repository(full_name)
            former = repository.name
            repository.former_names.append(repository.full_name.lower())
            repository.name = name
            changes = {"repository": {"name": {"from": former}}}
            events.repository(self._world, repository, "renamed", by, changes)

    def transfer(self, full_name: str, owner: str, *, by: str) -> None:
        """Give the repository to another account; sent when the App is installed there."""
        with self._world.lock:
            repository = self._world.repository(full_name)
            former = self._world.account(repository.owner)
            repository.former_names.append(repository.full_name.lower())
            repository.owner = self._world.account(owner).login
            kind = "organization" if former.kind == "Organization" else "user"
            changes = {"owner": {"from": {kind: self._former_owner(former.login)}}}
            events.repository(self._world, repository, "transferred", by, changes)

    def _former_owner(self, login: str) -> dict[str, object]:
        is_organization = self._world.account(login).kind == "Organization"
        return (organization if is_organization else user)(self._world, login)

    def archive(self, full_name: str, *, by: str) -> None:
        with self._world.lock:
            repository = self._world.repository(full_name)
            repository.archived = True
            events.repository(self._world, repository, "archived", by)

    def delete(self, full_name: str, *, by: str) -> None:
        with self._world.lock:
            repository = self._world.repository(full_name)
            events.repository(self._world, repository, "deleted", by)
            state = self._world.state
            del state.repositories[repository.id]
            state.pulls.pop(repository.id, None)
            for record in (state.comments, state.runs, state.suites, state.deployments):
                gone = [key for key, value in record.items() if value.repository_id == repository.id]
                for key in gone:
                    del record[key]
            for installation in state.installations.values():
                if repository.id in installation.repository_ids:
                    installation.repository_ids.remove(repository.id)

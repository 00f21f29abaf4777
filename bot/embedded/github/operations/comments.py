"""Comments on pull requests and the reactions to them."""

from bot.embedded.github.errors import GitHubError, bad_request, invalid, not_found
from bot.embedded.github.hooks import events
from bot.embedded.github.state.records import REACTIONS, Comment, Pull, Reaction, Repository
from bot.embedded.github.state.world import World

MAX_BODY = 65_536


class Comments:
    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, full_name: str, number: int, body: str, *, by: str, app: str | None = None) -> Comment:
        with self._world.lock:
            repository = self._world.repository(full_name)
            pull = self._world.pull(repository, number)
            _check(body)
            if repository.archived:
                raise GitHubError(403, "Repository was archived so is read-only.")
            now = self._world.now()
            author = self._world.account(by).login
            comment = Comment(
                self._world.next_id("comment"), repository.id, number, author, app, body, now, now
            )
            self._world.state.comments[comment.id] = comment
            pull.updated_at = now
            events.issue_comment(self._world, repository, pull, comment, "created", by)
            return comment

    def edit(self, comment_id: int, body: str, *, by: str) -> Comment:
        with self._world.lock:
            repository, pull, comment = self._find(comment_id)
            _check(body)
            former, comment.body, comment.updated_at = comment.body, body, self._world.now()
            changes = {"changes": {"body": {"from": former}}}
            events.issue_comment(self._world, repository, pull, comment, "edited", by, changes)
            return comment

    def delete(self, comment_id: int, *, by: str) -> None:
        with self._world.lock:
            repository, pull, comment = self._find(comment_id)
            del self._world.state.comments[comment_id]
            events.issue_comment(self._world, repository, pull, comment, "deleted", by)

    def on(self, full_name: str, number: int) -> list[Comment]:
        """The comments of a pull request, oldest first."""
        with self._world.lock:
            repository = self._world.repository(full_name)
            comments = self._world.state.comments.values()
            return [c for c in comments if c.repository_id == repository.id and c.number == number]

    def react(self, comment_id: int, content: str, *, by: str) -> tuple[Reaction, bool]:
        """The reaction, and whether it is new: a person reacts once with each content."""
        with self._world.lock:
            self._find(comment_id)
            if content not in REACTIONS:
                allowed = ", ".join(REACTIONS)
                raise bad_request(f'"{content}" is not a possible value. Must be one of: {allowed}.')
            for reaction in self.reactions(comment_id):
                if (reaction.author, reaction.content) == (by, content):
                    return reaction, False
            identity = self._world.next_id("reaction")
            reaction = Reaction(identity, comment_id, by, content, self._world.now())
            self._world.state.reactions[identity] = reaction
            return reaction, True

    def reactions(self, comment_id: int) -> list[Reaction]:
        with self._world.lock:
            return [r for r in self._world.state.reactions.values() if r.comment_id == comment_id]

    def _find(self, comment_id: int) -> tuple[Repository, Pull, Comment]:
        comment = self._world.state.comments.get(comment_id)
        if not comment:
            raise not_found()
        repository = self._world.repository(comment.repository_id)
        return repository, self._world.pull(repository, comment.number), comment


def _check(body: str) -> None:
    if not body.strip():
        raise invalid("IssueComment", "data", "unprocessable", "Body cannot be blank")
    if len(body) > MAX_BODY:
        message = f"Body is too long (maximum is {MAX_BODY} characters)"
        raise invalid("IssueComment", "data", "unprocessable", message)

"""Issues: created and changed by Apps and users."""

from bot.embedded.github.errors import GitHubError, invalid, not_found
from bot.embedded.github.operations.comments import MAX_BODY
from bot.embedded.github.state.records import Issue, Repository
from bot.embedded.github.state.world import World

_LONGEST_TITLE = 256


class Issues:
    def __init__(self, world: World) -> None:
        self._world = world

    def create(
        self, full_name: str, title: str, body: str | None, *, by: str, app: str | None = None
    ) -> Issue:
        with self._world.lock:
            repository = self._writable(full_name)
            _check(title, body)
            now = self._world.now()
            issue = Issue(
                self._world.next_id("issue"),
                repository.id,
                repository.next_number,
                title,
                body,
                self._world.account(by).login,
                app,
                now,
                now,
            )
            repository.next_number += 1
            self._world.state.issues.setdefault(repository.id, {})[issue.number] = issue
            return issue

    def update(
        self,
        full_name: str,
        number: int,
        *,
        title: str | None = None,
        body: str | None = None,
        state: str | None = None,
    ) -> Issue:
        """Changes what is given."""
        with self._world.lock:
            self._writable(full_name)
            issue = self.get(full_name, number)
            _check(issue.title if title is None else title, body)
            if state is not None and state not in ("open", "closed"):
                raise invalid("Issue", "state", "invalid")
            now = self._world.now()
            issue.title, issue.body = title or issue.title, issue.body if body is None else body
            if state == "closed" and issue.state == "open":
                issue.state, issue.closed_at = "closed", now
            elif state == "open":
                issue.state, issue.closed_at = "open", None
            issue.updated_at = now
            return issue

    def delete(self, full_name: str, number: int) -> None:
        """What an owner of the repository can do."""
        with self._world.lock:
            repository = self._world.repository(full_name)
            issue = self.get(full_name, number)
            del self._world.state.issues[repository.id][issue.number]
            self._world.state.deleted_issues.add((repository.id, number))

    def get(self, full_name: str, number: int) -> Issue:
        with self._world.lock:
            repository = self._world.repository(full_name)
            if (repository.id, number) in self._world.state.deleted_issues:
                raise GitHubError(410, "This issue was deleted")
            if issue := self._world.state.issues.get(repository.id, {}).get(number):
                return issue
            raise not_found()

    def of(self, full_name: str) -> list[Issue]:
        """Open and closed, the newest first."""
        with self._world.lock:
            repository = self._world.repository(full_name)
            return sorted(
                self._world.state.issues.get(repository.id, {}).values(),
                key=lambda issue: issue.number,
                reverse=True,
            )

    def _writable(self, full_name: str) -> Repository:
        repository = self._world.repository(full_name)
        if repository.archived:
            raise GitHubError(403, "Repository was archived so is read-only.")
        if not repository.has_issues:
            raise GitHubError(410, "Issues has been disabled in this repository.")
        return repository


def _check(title: str, body: str | None) -> None:
    if not title.strip():
        raise invalid("Issue", "title", "missing_field")
    if len(title) > _LONGEST_TITLE:
        raise invalid("Issue", "title", "custom", "title is too long (maximum is 256 characters)")
    if body is not None and len(body) > MAX_BODY:
        raise invalid("Issue", "body", "custom", f"body is too long (maximum is {MAX_BODY} characters)")

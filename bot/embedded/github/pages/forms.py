"""The forms on the pages."""

from collections.abc import Awaitable, Callable

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.embedded.github.core import PreparedPush
from bot.embedded.github.errors import GitHubError
from bot.embedded.github.pages.pull_view import Rights, rights
from bot.embedded.github.pages.site import COOKIE, Site, back, same_origin
from bot.embedded.github.state.records import ROLES, Pull, Repository
from bot.embedded.github.state.world import World

REPO = "/{owner}/{repo}"
PULL = f"{REPO}/pull/{{number:int}}"

Form = Callable[[Request, FormData, str], str]
"""Executes a form as a person; returns the path of the next page."""


class Forms:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._github = site.github
        self._world: World = site.github.world

    def routes(self) -> list[Route]:
        forms: dict[str, Form] = {
            f"{REPO}/pulls": self.open,
            f"{PULL}/comment": self.comment,
            f"{PULL}/push": self.push,
            f"{PULL}/close": self.close,
            f"{PULL}/reopen": self.reopen,
            f"{PULL}/merge": self.merge,
            f"{PULL}/draft": self.draft,
        }
        routes = [Route(path, self._done(form), methods=["POST"]) for path, form in forms.items()]
        return [Route("/session", self.sign_in, methods=["POST"]), *routes]

    async def sign_in(self, request: Request) -> Response:
        """Sign in as one of the users; sign out when the name is empty."""
        form = await request.form()
        if not same_origin(request):
            return self._site.refusal(request, GitHubError(403, "This form was sent from another site."))
        answer = back(request, str(form.get("back", "/")))
        answer.set_cookie(COOKIE, str(form.get("login", "")), httponly=True, samesite="lax")
        return answer

    def _done(self, form: Form) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            data, me = await request.form(), self._site.person(request)
            with self._world.lock:
                try:
                    if not same_origin(request):
                        raise GitHubError(403, "This form was sent from another site.")
                    if me is None:
                        raise GitHubError(403, "Choose a user first.")
                    return back(request, form(request, data, me))
                except GitHubError as error:
                    return self._site.refusal(request, error)

        return endpoint

    def open(self, request: Request, data: FormData, me: str) -> str:
        """Open a pull request, with a prepared commit if one was chosen; from a fork without write access."""
        repository = self._site.repository(request)
        name, branch = repository.full_name, str(data.get("branch", "")).strip()
        if not branch:
            raise GitHubError(422, "A pull request needs a branch.")
        head = branch
        source = repository
        if ROLES.index(self._world.role(repository, me)) < ROLES.index("write"):
            source = self._fork(repository, me)
            head = f"{me}:{branch}"
        if choice := self._choice(repository, data):
            self._github.repositories.push(source.full_name, branch, choice.files, by=me, message=choice.name)
        title = str(data.get("title", "")).strip() or branch
        draft = "draft" in data
        pull = self._github.pulls.open(name, head, by=me, title=title, draft=draft)
        return f"/{name}/pull/{pull.number}"

    def _fork(self, repository: Repository, me: str) -> Repository:
        if self._world.role(repository, me) == "none":
            raise GitHubError(404, "Not Found")
        for item in self._world.state.repositories.values():
            if item.fork_of == repository.id and item.owner == me:
                return item
        return self._github.repositories.fork(repository.full_name, by=me)

    def _choice(self, repository: Repository, data: FormData) -> PreparedPush | None:
        choices = self._github.settings.prepared_pushes.get(repository.full_name, [])
        return next((c for c in choices if c.name == data.get("choice")), None)

    def _pull(self, request: Request, me: str) -> tuple[Repository, Pull, Rights, str]:
        repository = self._site.repository(request)
        pull = self._world.pull(repository, request.path_params["number"])
        page = f"/{repository.full_name}/pull/{pull.number}"
        return repository, pull, rights(self._world, repository, pull, me), page

    def comment(self, request: Request, data: FormData, me: str) -> str:
        repository, pull, may, page = self._pull(request, me)
        _need(may.comment)
        made = self._github.comments.create(
            repository.full_name, pull.number, str(data.get("body", "")).replace("\r\n", "\n"), by=me
        )
        return f"{page}#issuecomment-{made.id}"

    def push(self, request: Request, data: FormData, me: str) -> str:
        repository, pull, may, page = self._pull(request, me)
        choice = self._choice(repository, data)
        _need(may.push and choice is not None)
        if choice and pull.head_repository_id:
            source = self._world.repository(pull.head_repository_id)
            self._github.repositories.push(
                source.full_name, pull.head_ref, choice.files, by=me, message=choice.name
            )
        return page

    def close(self, request: Request, _data: FormData, me: str) -> str:
        repository, pull, may, page = self._pull(request, me)
        _need(may.close)
        self._github.pulls.close(repository.full_name, pull.number, by=me)
        return page

    def reopen(self, request: Request, _data: FormData, me: str) -> str:
        repository, pull, may, page = self._pull(request, me)
        _need(may.close)
        self._github.pulls.reopen(repository.full_name, pull.number, by=me)
        return page

    def draft(self, request: Request, data: FormData, me: str) -> str:
        repository, pull, may, page = self._pull(request, me)
        _need(may.close)
        self._github.pulls.set_draft(repository.full_name, pull.number, data.get("draft") == "yes", by=me)
        return page

    def merge(self, request: Request, data: FormData, me: str) -> str:
        repository, pull, may, page = self._pull(request, me)
        _need(may.merge)
        method = data.get("method")
        if method == "squash":
            self._github.pulls.merge(repository.full_name, pull.number, by=me, method="squash")
        elif method == "rebase":
            self._github.pulls.merge(repository.full_name, pull.number, by=me, method="rebase")
        else:
            self._github.pulls.merge(repository.full_name, pull.number, by=me)
        return page


def _need(allowed: bool) -> None:
    if not allowed:
        raise GitHubError(403, "You may not do this here.")

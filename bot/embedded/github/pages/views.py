"""The pages that only show."""

from collections.abc import Awaitable, Callable

from markupsafe import escape
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from bot.embedded.github.errors import GitHubError, not_found
from bot.embedded.github.pages import pull_view
from bot.embedded.github.pages.site import HERE, Site
from bot.embedded.github.state.changes import commit_changes
from bot.embedded.github.state.records import ROLES

REPO = "/{owner}/{repo}"
_HUES = ("#7c5cbf", "#2f7d6b", "#b3562f", "#3a6ea5", "#a23b5c", "#6b7a2f", "#8a5a2b", "#4d5b8c")
_LEAF = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<path d="M1 1h8a6 6 0 0 1 6 6v8H7a6 6 0 0 1-6-6z" fill="#24705d"/></svg>'
)


class Views:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._github = site.github
        self._world = site.github.world

    def routes(self) -> list[BaseRoute]:
        pages = {
            "/": self.home,
            REPO: self.repository,
            f"{REPO}/pulls": self.pulls,
            f"{REPO}/pull/{{number:int}}": self.pull,
            f"{REPO}/runs/{{run:int}}": self.run,
            f"{REPO}/commit/{{sha}}": self.commit,
        }
        return [
            Mount("/_static", StaticFiles(directory=HERE / "static")),
            Route("/avatars/u/{account:int}", self.avatar),
            Route("/favicon.svg", self.favicon),
            *(Route(path, self._shown(view)) for path, view in pages.items()),
        ]

    def _shown(self, view: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            with self._world.lock:
                try:
                    return view(request)
                except GitHubError as error:
                    return self._site.refusal(request, error)

        return endpoint

    def home(self, request: Request) -> Response:
        repositories = sorted(self._world.state.repositories.values(), key=lambda r: r.full_name.lower())
        opened = {r.id: sum(p.state == "open" for p in self._world.pulls(r)) for r in repositories}
        return self._site.page(request, "home.html", repositories=repositories, opened=opened)

    def repository(self, request: Request) -> Response:
        return RedirectResponse(f"/{self._site.repository(request).full_name}/pulls")

    def pulls(self, request: Request) -> Response:
        repository = self._site.repository(request)
        state = "closed" if request.query_params.get("state") == "closed" else "open"
        everything = self._world.pulls(repository)[::-1]
        me = self._site.person(request)
        role = self._world.role(repository, me) if me else "none"
        heads = {
            p.head_ref for p in everything if p.state == "open" and p.head_repository_id == repository.id
        }
        return self._site.page(
            request,
            "pulls.html",
            repository=repository,
            state=state,
            pulls=[p for p in everything if p.state == state],
            counts={s: sum(p.state == s for p in everything) for s in ("open", "closed")},
            branches=[b for b in repository.branches if b not in heads and b != repository.default_branch],
            choices=self._github.settings.prepared_pushes.get(repository.full_name, []),
            may_push=ROLES.index(role) >= ROLES.index("write"),
            may_read=role != "none",
        )

    def pull(self, request: Request) -> Response:
        repository = self._site.repository(request)
        pull = self._world.pull(repository, request.path_params["number"])
        source = self._world.state.repositories.get(pull.head_repository_id or 0)
        return self._site.page(
            request,
            "pull.html",
            repository=repository,
            pull=pull,
            source=source,
            timeline=pull_view.timeline(self._github, repository, pull),
            commits=pull_view.commits(self._world, repository, pull),
            files=pull_view.changed_files(self._world, repository, pull),
            checks=pull_view.checks(self._github, repository, pull.head_sha),
            deployments=pull_view.deployments(self._github, repository, pull),
            rights=pull_view.rights(self._world, repository, pull, self._site.person(request)),
            choices=self._github.settings.prepared_pushes.get(repository.full_name, []),
        )

    def run(self, request: Request) -> Response:
        repository = self._site.repository(request)
        run = self._world.state.runs.get(request.path_params["run"])
        if run is None or run.repository_id != repository.id:
            raise not_found()
        checks = pull_view.checks(self._github, repository, run.head_sha)
        check = next(check for check in checks if check.name == run.name)
        return self._site.page(request, "run.html", repository=repository, run=run, check=check)

    def commit(self, request: Request) -> Response:
        repository = self._site.repository(request)
        objects = self._world.git(repository)
        commit = objects.commits[self._world.commit_sha(repository, request.path_params["sha"])]
        files = commit_changes(objects, commit)
        return self._site.page(request, "commit.html", repository=repository, commit=commit, files=files)

    async def favicon(self, _request: Request) -> Response:
        return Response(_LEAF, media_type="image/svg+xml", headers={"Cache-Control": "max-age=3600"})

    async def avatar(self, request: Request) -> Response:
        requested = request.path_params["account"]
        with self._world.lock:
            accounts = self._world.state.accounts.values()
            letter = next((a.login[0].upper() for a in accounts if a.id == requested), "?")
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">'
            f'<rect width="40" height="40" fill="{_HUES[requested % len(_HUES)]}"/>'
            '<text x="20" y="27" font-family="sans-serif" font-size="20" font-weight="600" fill="#fff" '
            f'text-anchor="middle">{escape(letter)}</text></svg>'
        )
        return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "max-age=3600"})

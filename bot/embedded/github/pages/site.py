"""Templates, the signed-in person and the headers that every page has."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bot.embedded.github.core import GitHub
from bot.embedded.github.errors import GitHubError
from bot.embedded.github.pages.pull_view import mark
from bot.embedded.github.state.records import Repository

HERE = Path(__file__).parent
COOKIE = "person"
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class Site:
    def __init__(self, github: GitHub) -> None:
        self.github = github
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"ago": self._ago, "short": lambda sha: sha[:7], "mark": mark}
        self._templates.filters["avatar"] = self._avatar

    def page(self, request: Request, template: str, status: int = 200, **values: object) -> HTMLResponse:
        html = self._templates.get_template(template).render(
            me=self.person(request), people=self.github.accounts.people(), path=request.url.path, **values
        )
        return HTMLResponse(html, status, {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"})

    def person(self, request: Request) -> str | None:
        """The login of the signed-in user."""
        account = self.github.world.state.accounts.get(request.cookies.get(COOKIE, "").lower())
        return account.login if account and account.kind == "User" else None

    def refusal(self, request: Request, error: GitHubError) -> Response:
        details = [str(item["message"]) for item in error.errors if "message" in item]
        return self.page(request, "refused.html", error.status, message=" ".join(details) or error.message)

    def repository(self, request: Request) -> Repository:
        """Raises GitHubError 404."""
        return self.github.world.repository(f"{request.path_params['owner']}/{request.path_params['repo']}")

    def _ago(self, moment: datetime) -> str:
        seconds = int((self.github.world.clock() - moment.astimezone(UTC)).total_seconds())
        for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
            if seconds >= length:
                count = seconds // length
                return f"{count} {unit}{'s' if count > 1 else ''} ago"
        return "just now" if seconds < 5 else f"{seconds} seconds ago"

    def _avatar(self, login: str) -> str:
        account = self.github.world.state.accounts.get(login.lower())
        return f"/avatars/u/{account.id if account else 0}"


def same_origin(request: Request) -> bool:
    """Whether a form was sent from a page of this server."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def back(request: Request, path: str) -> Response:
    """After a form: see another page. Only paths of this server."""
    safe = path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
    return RedirectResponse(safe, 303)

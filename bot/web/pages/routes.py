"""Routes of all pages; without client id and secret, one page that names the missing settings."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from bot.web.pages.site import HERE, Site


class Pages(Protocol):
    def routes(self) -> list[Route]: ...


def page_routes(*pages: Pages) -> list[BaseRoute]:
    return [_static(), *(route for page in pages for route in page.routes())]


def unconfigured_routes(site: Site) -> list[BaseRoute]:
    async def unconfigured(_: Request) -> Response:
        return site.error_page(
            None,
            404,
            "Sign-in is not configured",
            "The operator must set GREENROOM_GITHUB_CLIENT_ID and GREENROOM_GITHUB_CLIENT_SECRET; both are "
            "in the App's settings on GitHub.",
        )

    paths = ("/", "/sign-in", "/environments/{rest:path}", "/stages/{rest:path}", "/actions/{rest:path}")
    return [_static(), *(Route(path, unconfigured) for path in paths)]


def _static() -> BaseRoute:
    return Mount("/static", StaticFiles(directory=HERE / "static"))

"""Templates, and what all pages have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bot.model.durations import format_elapsed
from bot.model.person import Person
from bot.model.times import format_time

_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
HERE = Path(__file__).parent
_HEADERS = {"Cache-Control": "no-store"}


class Site:
    """`public_url` is where people reach the bot; a path in it is in front of all of ours."""

    def __init__(self, public_url: str, github_url: str, clock: Callable[[], datetime]) -> None:
        self.public_url = public_url.rstrip("/")
        self.base = urlsplit(self.public_url).path
        self._github = github_url
        self._clock = clock
        self._templates = Environment(
            loader=PackageLoader("bot.web.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "ago": self._ago,
            "time": lambda moment: format_time(moment, year=True),
            "iso": lambda moment: f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "took": format_elapsed,
            "short": lambda sha: sha[:7],
            "prose": _prose,
            "brief": lambda text: _DIGEST.sub(r"\1…", text),
        }

    def page(self, template: str, person: Person | None, status: int = 200, **values: object) -> Response:
        html = self._templates.get_template(template).render(
            base=self.base, github=self._github, person=person, **values
        )
        return HTMLResponse(html, status, _HEADERS)

    def error_page(self, person: Person | None, status: int, title: str, message: str) -> Response:
        return self.page("sorry.html", person, status, title=title, sentence=message)

    def redirect(self, path: str) -> Response:
        """To another page of ours, after a form or instead of a page."""
        return RedirectResponse(self.base + path, 303, _HEADERS)

    def _ago(self, moment: datetime) -> str:
        seconds = (self._clock() - moment).total_seconds()
        for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
            if round(abs(seconds)) >= length:
                count = round(abs(seconds) / length)
                told = f"{count} {unit}{'s' if count > 1 else ''}"
                return f"{told} ago" if seconds > 0 else f"in {told}"
        return "just now" if seconds >= 0 else "in a moment"


def _prose(text: str) -> Markup:
    """A sentence of ours: what stands in backticks is code, and all of it is text."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else escape(piece)
        for index, piece in enumerate(pieces)
    )


def own_path(path: str) -> str:
    """The path when it leads to a page of ours for sure, otherwise "/"."""
    parts = urlsplit(path)
    plain = path.isascii() and path.isprintable() and "\\" not in path
    ours = path.startswith("/") and not path.startswith("//") and not parts.scheme and not parts.netloc
    return path if plain and ours else "/"

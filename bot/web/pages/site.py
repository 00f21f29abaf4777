"""Templates and responses that all pages share."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bot.github.messages.actions import audit_words, decision_action
from bot.github.messages.drift import attribution, diff, resources_text, summary, unreadable_text
from bot.github.messages.environment_reasons import headline, last_error
from bot.github.messages.markdown import sentence
from bot.github.messages.rollout import numbers, weight_bar
from bot.github.messages.secret_reasons import current_secrets, with_versions
from bot.github.messages.stage_summary import (
    approvers,
    deadline_label,
    demo_policy,
    stage_headline,
    state_label,
    waits_for,
)
from bot.model.durations import format_elapsed
from bot.model.person import Person
from bot.model.times import format_time
from bot.web.pages.rollout_chart import chart

_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
HERE = Path(__file__).parent
_ERRORS = {
    404: (
        "Not found",
        "This address does not exist. Check it for typing errors, or start from the dashboard.",
    ),
    405: ("Not possible here", "This address does not accept that request. Open it from its page."),
    500: (
        "Internal error",
        "The request failed. Try again; if it fails again, an operator finds the cause in the log.",
    ),
}
"""Title and text by status code."""
_HEADERS = {"Cache-Control": "no-store"}


class Site:
    """`public_url` is the bot's address for users; its path prefixes all paths."""

    def __init__(self, public_url: str, github_url: str, clock: Callable[[], datetime]) -> None:
        self.public_url = public_url.rstrip("/")
        parts = urlsplit(self.public_url)
        self.base, self.origin = parts.path, f"{parts.scheme}://{parts.netloc}"
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
            "duration": format_elapsed,
            "headline": headline,
            "last_error": last_error,
            "short": lambda sha: sha[:7],
            "approvers": approvers,
            "current_secrets": current_secrets,
            "with_versions": with_versions,
            "deadline_label": deadline_label,
            "demo_policy": demo_policy,
            "sentence": sentence,
            "stage_headline": stage_headline,
            "state_label": state_label,
            "waits_for": waits_for,
            "inline_code": _inline_code,
            "attribution": attribution,
            "audit_words": audit_words,
            "decision_action": decision_action,
            "drift_diff": lambda record: "\n".join(diff(record.confirmed)),
            "drift_resources": lambda record: sentence(resources_text(record)),
            "drift_summary": lambda record: sentence(summary(record)),
            "unreadable": unreadable_text,
            "rollout_bar": lambda report: weight_bar(report).replace("`", ""),
            "rollout_chart": chart,
            "rollout_rows": lambda report: [numbers(result) for result in report.results],
            "short_digests": lambda text: _DIGEST.sub(r"\1…", text),
        }

    def page(self, template: str, person: Person | None, status: int = 200, **values: object) -> Response:
        html = self._templates.get_template(template).render(
            base=self.base, github=self._github, person=person, **values
        )
        return HTMLResponse(html, status, _HEADERS)

    def http_error(self, status: int, reason: str) -> Response:
        """The page for an unknown address, a method that is not allowed, and other errors."""
        title, text = _ERRORS.get(status, (f"Error {status}", reason))
        return self.error_page(None, status, title, text)

    def error_page(self, person: Person | None, status: int, title: str, message: str) -> Response:
        return self.page("error.html", person, status, title=title, message=message)

    def relative(self, request: Request) -> str:
        """Path and query of the request, as `redirect` takes them: the proxy may or may not strip `base`."""
        path = request.url.path.removeprefix(self.base)
        return f"{path}?{request.url.query}" if request.url.query else path

    def redirect(self, path: str) -> Response:
        """Redirects to a page of this site."""
        return RedirectResponse(self.base + path, 303, _HEADERS)

    def _ago(self, moment: datetime) -> str:
        seconds = (self._clock() - moment).total_seconds()
        for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
            if round(abs(seconds)) >= length:
                count = round(abs(seconds) / length)
                span = f"{count} {unit}{'s' if count > 1 else ''}"
                return f"{span} ago" if seconds > 0 else f"in {span}"
        return "just now" if seconds >= 0 else "in a moment"


def _inline_code(text: str) -> Markup:
    """Escaped text in which backticks mark code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else escape(piece)
        for index, piece in enumerate(pieces)
    )


def own_path(path: str) -> str:
    """The path if it is certainly that of a page of this site, otherwise "/"."""
    parts = urlsplit(path)
    plain = path.isascii() and path.isprintable() and "\\" not in path
    ours = path.startswith("/") and not path.startswith("//") and not parts.scheme and not parts.netloc
    return path if plain and ours else "/"

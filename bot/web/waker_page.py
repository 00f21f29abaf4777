"""The page that a browser shows while a preview wakes, or instead of one that does not run."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from bot.environments.views import Step, StepState
from bot.model.environment import EnvironmentKey

_STYLE = (Path(__file__).parent / "pages" / "static" / "waker.css").read_text()
_DIGEST = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The page has its style inside, and loads nothing: it is shown at the addresses of previews."""

_TEXTS: Mapping[str, tuple[str, str]] = {
    "unknown": ("Nothing is at this address", "Check the address on the pull request."),
    "deleted": (
        "This preview was deleted",
        "A preview is deleted when its pull request is closed or its lifetime ends.",
    ),
    "failed": ("This preview failed", "The pull request shows the reason."),
    "asleep": ("This preview is waking up", "It was asleep. This page opens the application when it runs."),
    "starting": ("This preview is starting", "This page opens the application when it runs."),
}
"""Title and sentence by what is at the address."""
_REFRESHED = ("asleep", "starting")


class WakerPage:
    def __init__(self, public_url: str) -> None:
        self._public_url = public_url.rstrip("/")
        self._template = Environment(
            loader=PackageLoader("bot.web.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        ).get_template("waker.html")

    def title(self, shown: str) -> str:
        return _TEXTS[shown][0]

    def render(self, shown: str, key: EnvironmentKey | None, steps: Sequence[Step]) -> str:
        """`key` links to the page of the environment, which requires sign-in; None for an unknown address."""
        title, sentence = _TEXTS[shown]
        return self._template.render(
            title=title,
            sentence=sentence,
            style=_STYLE,
            details=f"{self._public_url}/environments/{key}" if key is not None else "",
            steps=steps if shown in _REFRESHED else (),
            done=sum(step.state is StepState.DONE for step in steps),
            refreshed=shown in _REFRESHED,
        )

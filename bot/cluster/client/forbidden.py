"""Answers 403 that pass: rights in a new namespace take effect late, and a deleted namespace has none."""

from __future__ import annotations

import re
import time

from bot.cluster.client.errors import Refused

PAUSE_SECONDS = 0.1
_GRACE_SECONDS = 5.0
_NAMESPACED = re.compile(r"/namespaces/([^/?]+)/")
_MISSING_RIGHT = re.compile(
    r"User \".*\" cannot "  # no role grants it
    r"|not currently held"  # a Role would grant more than the bot holds
    r"|ValidatingAdmissionPolicy "  # the policy does not see the namespace's label
)


def namespace_of(url: str) -> str:
    """The namespace that a request is about; "" for one outside of a namespace."""
    match = _NAMESPACED.search(url)
    return match[1] if match else ""


def lacks_right(error: Exception) -> bool:
    """Whether an answer is a refusal for a missing right, not for what the object contains."""
    return (
        isinstance(error, Refused)
        and error.status == 403
        and _MISSING_RIGHT.search(error.detail or str(error)) is not None
    )


class NewRights:
    """The namespaces in which rights were granted within the last seconds."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def expect(self, namespace: str) -> None:
        now = time.monotonic()
        recent = {name: until for name, until in self._until.items() if until > now}
        self._until = {**recent, namespace: now + _GRACE_SECONDS}

    def are_expected(self, namespace: str) -> bool:
        return time.monotonic() < self._until.get(namespace, 0)

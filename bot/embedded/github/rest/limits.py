"""Rate limits: a window of an hour for each installation or person, and the two ways of being refused."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bot.embedded.github.core import GitHub
from bot.embedded.github.errors import GitHubError
from bot.embedded.github.faults import Fault

WINDOW = 3_600


@dataclass
class Window:
    resets_at: float
    used: int = 0


class Limits:
    def __init__(self, github: GitHub) -> None:
        self._github = github
        self._windows: dict[str, Window] = {}

    def window(self, key: str) -> Window:
        now = self._github.world.clock().timestamp()
        window = self._windows.get(key)
        if window is None or window.resets_at <= now:
            window = self._windows[key] = Window(math.ceil(now) + WINDOW)
        return window

    def take(self, key: str, method: str, path: str) -> None:
        """Count a request. Raises GitHubError when there is no room for it."""
        faults, window = self._github.faults, self.window(key)
        if fault := faults.take("secondary_limit", method=method, path=path):
            raise _secondary(fault)
        if fault := faults.take("rate_limit", method=method, path=path):
            window.used = self._github.settings.rate_limit
            window.resets_at = self._github.world.clock().timestamp() + (fault.seconds or WINDOW)
            raise self._primary(key, fault.status)
        if window.used >= self._github.settings.rate_limit:
            raise self._primary(key, 403)
        window.used += 1

    def give_back(self, key: str) -> None:
        """A 304 costs nothing."""
        self.window(key).used -= 1

    def headers(self, key: str) -> dict[str, str]:
        window, limit = self.window(key), self._github.settings.rate_limit
        return {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(limit - window.used, 0)),
            "X-RateLimit-Reset": str(math.ceil(window.resets_at)),
            "X-RateLimit-Used": str(window.used),
            "X-RateLimit-Resource": "core",
        }

    def _primary(self, key: str, status: int) -> GitHubError:
        # the real one names the moment of the reset in the headers, and sends no Retry-After
        return GitHubError(429 if status == 429 else 403, f"API rate limit exceeded for {key}.")


def _secondary(fault: Fault) -> GitHubError:
    message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    headers = {"Retry-After": str(math.ceil(fault.seconds or 60))}
    return GitHubError(429 if fault.status == 429 else 403, message, headers=headers)

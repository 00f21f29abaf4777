"""The measurement of the event loop itself."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from bot.config.patterns import path_matches
from tests.fuzz.loop_time import require_short_callbacks


def _occupy(seconds: float) -> None:
    started = time.thread_time()
    while time.thread_time() - started < seconds:
        pass


async def _step(seconds: float) -> None:
    _occupy(seconds)


def test_every_long_run_fails_with_its_time() -> None:
    with pytest.raises(AssertionError, match=r"\d+ ms in <Handle"):
        require_short_callbacks(0.01, lambda: asyncio.run(_step(0.02)))


def test_one_long_run_is_repeated() -> None:
    times = [0.02, 0.0]
    require_short_callbacks(0.01, lambda: asyncio.run(_step(times.pop(0))))
    assert times == []


def test_no_run_uses_what_an_earlier_one_has_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = re.compile

    def slow(pattern: str, flags: int = 0) -> re.Pattern[str]:
        _occupy(0.02)
        return compiled(pattern, flags)

    async def match() -> None:
        assert path_matches("docs/a.md", "docs/*.md")

    monkeypatch.setattr(re, "compile", slow)
    with pytest.raises(AssertionError, match=r"\d+ ms in <Handle"):
        require_short_callbacks(0.01, lambda: asyncio.run(match()))

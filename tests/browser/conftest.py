"""Fixtures of the browser tier."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser import visit as visits
from tests.browser.visit import Visit


@pytest.fixture
async def visit(tmp_path: Path) -> AsyncIterator[Visit]:
    async with visits.chromium() as browser, visits.visit(browser, tmp_path) as visit:
        yield visit

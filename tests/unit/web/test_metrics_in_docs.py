"""Metrics named in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

from bot.web.metrics import Metrics


def test_metrics_named_in_docs_exist() -> None:
    families = {sample.name for family in Metrics().registry.collect() for sample in family.samples}
    families |= {family.name for family in Metrics().registry.collect()}
    for page in (Path(__file__).parents[3] / "docs").glob("*.md"):
        for name in re.findall(r"`(greenroom_[a-z_]+)`", page.read_text()):
            assert name.removesuffix("_total") in families, f"{page.name} names {name}"

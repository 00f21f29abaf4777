"""Small things that every rendering needs."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


def when(moment: datetime | None) -> str | None:
    return stamp(moment) if moment else None


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, identity: int | str) -> str:
    return base64.b64encode(f"{len(kind):03}:{kind}{identity}".encode()).decode()

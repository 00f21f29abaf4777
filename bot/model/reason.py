"""Typed reasons that several packages share; `bot/github/messages/` renders them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reported:
    """The words of a client: the cluster, a registry, GitHub or the reader of `.greenroom.yml`."""

    text: str
    detail: str = ""
    """Plain text to quote, such as a log tail."""

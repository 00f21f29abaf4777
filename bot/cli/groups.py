"""Groups of commands whose help fits a terminal of 80 columns without cut sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_WHOLE = 200
"""Characters of a command's first sentence in a list; the library cuts it after 45."""


class Command(TyperCommand):
    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`REPOSITORY`, where the library writes `{REPOSITORY}`."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def get_short_help_str(self, limit: int = _WHOLE) -> str:
        return super().get_short_help_str(max(limit, _WHOLE))


class Group(TyperGroup):
    def get_short_help_str(self, limit: int = _WHOLE) -> str:
        return super().get_short_help_str(max(limit, _WHOLE))


class Commands(typer.Typer):
    def __init__(self, **settings: Any) -> None:
        super().__init__(cls=Group, no_args_is_help=True, rich_markup_mode=None, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        return super().command(name, cls=Command, **settings)

"""Output for the terminal: texts are shown literally, never as markup or control characters."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_WITHOUT_TERMINAL = 10_000
"""Columns of a pipe or file: nothing is wrapped there, so that tools can read URLs and digests."""


def console() -> Console:
    """The terminal of stdout."""
    return Console(width=None if sys.stdout.isatty() else _WITHOUT_TERMINAL)


def plain(words: str) -> str:
    """Removes all control characters except line feeds and tabs."""
    return "".join(character for character in words if character.isprintable() or character in "\n\t")


def text(words: str, style: str = "") -> Text:
    return Text(plain(words), style)


def grid(console: Console, title: str, rows: Sequence[tuple[RenderableType, ...]]) -> None:
    """Prints a title and rows without a header; nothing when there are no rows."""
    if not rows:
        return
    console.print(Text(f"\n{title}" if title else "", "bold"))
    columns = Table.grid(padding=(0, 2, 0, 0))
    for index in range(len(rows[0])):
        columns.add_column(overflow="fold", no_wrap=index + 1 < len(rows[0]))
    for row in rows:
        columns.add_row(*row)
    console.print(columns)


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """A table whose last column takes the remaining width; the others never break words."""
    result = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        result.add_column(column, overflow="fold", no_wrap=column != columns[-1])
    for row in rows:
        result.add_row(*(text(cell) if isinstance(cell, str) else cell for cell in row))
    return result

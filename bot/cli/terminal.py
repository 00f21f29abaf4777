"""How things are shown on a terminal: names and texts as text, never as markup or as what it would obey."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text


def plain(words: str) -> str:
    """Nothing that a terminal would obey."""
    return "".join(character for character in words if character.isprintable() or character in "\n\t")


def text(words: str, style: str = "") -> Text:
    return Text(plain(words), style)


def grid(console: Console, title: str, rows: Sequence[tuple[RenderableType, ...]]) -> None:
    """Rows without a header; nothing when there are none."""
    if not rows:
        return
    console.print(Text(f"\n{title}" if title else "", "bold"))
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in rows[0]:
        table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """The last column takes what is left of the width; in the others no word is broken."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column != columns[-1])
    for row in rows:
        made.add_row(*(text(cell) if isinstance(cell, str) else cell for cell in row))
    return made

"""Output for the terminal: texts are shown literally, never as markup or control characters."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_WITHOUT_TERMINAL = 10_000
"""Columns of a pipe or file: nothing is wrapped there, so that tools can read URLs and digests."""
_READABLE = 24
"""Columns in which a sentence can be wrapped."""
_GAP = 2


def console() -> Console:
    """The terminal of stdout."""
    return Console(width=None if sys.stdout.isatty() else _WITHOUT_TERMINAL)


def plain(words: str) -> str:
    """Removes all control characters except line feeds and tabs."""
    return "".join(character for character in words if character.isprintable() or character in "\n\t")


def text(words: str, style: str = "") -> Text:
    return Text(plain(words), style)


def grid(screen: Console, title: str, rows: Sequence[Sequence[Text]]) -> None:
    """Prints a title and rows without a header; nothing when there are no rows."""
    if not rows:
        return
    screen.print(Text(f"\n{title}" if title else "", "bold"))
    widths = _widths(rows)
    for fits, group in groupby(rows, lambda row: _fits(screen, row[-1], widths)):
        _print_rows(screen, list(group), widths, apart=not fits)


def table(screen: Console, columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Prints a header and rows.

    The last column takes the remaining width. Where that is too little, its cells are on lines of their own.
    The others never break words.
    """
    cells = [[text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    header = [Text(column, "dim") for column in columns]
    widths = _widths([header, *cells])
    apart = not all(_fits(screen, row[-1], widths) for row in cells)
    _print_rows(screen, [[*header[:-1], Text("")] if apart else header, *cells], widths, apart=apart)


def _widths(rows: Sequence[Sequence[Text]]) -> list[int]:
    """Width of all columns but the last."""
    return [max(cell_len(cell.plain) for cell in column) for column in zip(*rows, strict=True)][:-1]


def _room(screen: Console, widths: Sequence[int]) -> int:
    """What is left for the last column; negative when the others do not fit."""
    return screen.width - sum(width + _GAP for width in widths)


def _fits(screen: Console, cell: Text, widths: Sequence[int]) -> bool:
    """Whether the last cell of a row needs no line of its own.

    It has one where that keeps a word, such as a URL or a digest, in one piece.
    """
    room, own = _room(screen, widths), screen.width - _GAP
    if max(map(cell_len, cell.plain.splitlines()), default=0) <= room:
        return True
    longest = max(map(cell_len, cell.plain.split()), default=0)
    return room >= _READABLE and not room < longest <= own


def _print_rows(
    screen: Console, rows: Sequence[Sequence[Text]], widths: Sequence[int], *, apart: bool
) -> None:
    """`apart`: the last cells are on lines of their own."""
    if not apart:
        columns = Table.grid(padding=(0, _GAP, 0, 0))
        for width in widths:
            columns.add_column(width=width, no_wrap=True)
        columns.add_column(overflow="fold")
        for row in rows:
            columns.add_row(*row)
        screen.print(columns)
        return
    for row in rows:
        screen.print(_leading(row, widths if _room(screen, widths) >= 0 else ()))
        if row[-1].plain:
            screen.print(Padding(row[-1], (0, 0, 0, _GAP), expand=False))


def _leading(row: Sequence[Text], widths: Sequence[int]) -> Text:
    """All cells but the last; below each other's if there are widths."""
    line = Text()
    for index, cell in enumerate(row[:-1]):
        blank = widths[index] - cell_len(cell.plain) if widths else 0
        line.append_text(cell).append(" " * (blank + _GAP))
    line.rstrip()
    return line

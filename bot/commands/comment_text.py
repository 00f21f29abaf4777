"""Which lines of a comment are said by its author: not quoted, not shown as code, not hidden. Pure.

An approximation of GitHub's Markdown that takes linear time; in doubt a line is not the author's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_QUOTE = re.compile(r" {0,3}>[ >]*(.*)")
_BLOCK = re.compile(r" {0,3}(?:#{1,6}(?:\s|$)|[-+*]\s|\d{1,9}[.)]\s|<)")
"""Begins something else than a paragraph, so it is no continuation of a quoted one."""
_TOKEN = re.compile(r"\\.|`+|<!--|<(pre|code|blockquote|script|style|textarea)\b", re.IGNORECASE)


def visible_lines(body: str) -> Iterator[str]:
    """The lines that begin outside of quotes, code and HTML comments, in their order."""
    lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    reader = _Reader(lines)
    for index, line in enumerate(lines):
        if reader.begins_visible(index, line):
            yield line


class _Reader:
    """Goes through the lines once and knows what is open at the start of each."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._fence = ""
        self._hidden = ""
        """What ends a hidden stretch; "" outside of one."""
        self._quoted = False
        """A line without `>` still belongs to the quote's last paragraph."""
        self._ticks = ""
        """The backticks of an open code span."""
        self._left: Counter[str] = Counter()
        """Runs of backticks that are still to come in this paragraph."""
        self._counted = 0
        """The first line whose backticks were not counted yet."""

    def begins_visible(self, index: int, line: str) -> bool:
        if self._hidden:
            self._scan(line)
            return False
        if self._fence:
            if set(line.strip()) == {self._fence[0]} and len(line.strip()) >= len(self._fence):
                self._fence = ""
            return False
        if not line.strip():
            self._end_paragraph()
            return False
        return self._text(index, line)

    def _text(self, index: int, line: str) -> bool:
        fence = _FENCE.match(line)
        if fence is not None:
            self._end_paragraph()
            self._fence = fence[1]
            return False
        quote = _QUOTE.match(line)
        if quote is not None:
            self._end_paragraph()
            self._quoted = bool(quote[1].strip())
            return False
        if self._quoted and not _BLOCK.match(line):
            return False
        self._quoted = False
        if index >= self._counted:
            self._count(index)
        begins_visible = not self._ticks
        self._scan(line)
        return begins_visible

    def _count(self, index: int) -> None:
        """Looks ahead to the end of the paragraph: a code span that is never closed is none."""
        self._left.clear()
        end = index
        while end == index or (end < len(self._lines) and not _ends_paragraph(self._lines[end])):
            runs = (token[0] for token in _TOKEN.finditer(self._lines[end]))
            self._left.update(run for run in runs if run.startswith("`"))
            end += 1
        self._counted = end

    def _end_paragraph(self) -> None:
        self._quoted = False
        self._ticks = ""

    def _scan(self, line: str) -> None:
        """Notes what the line opens and closes."""
        at = 0
        while at < len(line):
            if self._hidden:
                end = line.lower().find(self._hidden, at)
                if end < 0:
                    return
                at, self._hidden = end + len(self._hidden), ""
                continue
            token = _TOKEN.search(line, at)
            if token is None:
                return
            at = token.end()
            self._take(token[0].lower(), (token[1] or "").lower())

    def _take(self, token: str, tag: str) -> None:
        if token.startswith("`"):
            self._left[token] -= 1
            if self._ticks == token:
                self._ticks = ""
            elif not self._ticks and self._left[token] > 0:
                self._ticks = token
        elif not self._ticks and not token.startswith("\\"):
            self._hidden = f"</{tag}>" if tag else "-->"


def _ends_paragraph(line: str) -> bool:
    return not line.strip() or bool(_FENCE.match(line) or _QUOTE.match(line))

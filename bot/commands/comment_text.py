"""Finds the lines of a comment that its author wrote: not quoted, not in code, not in hidden HTML. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

_MARKDOWN = MarkdownIt("zero", {"html": True}).enable(
    [
        *("blockquote", "code", "fence", "heading", "hr", "html_block", "lheading", "list"),
        *("backticks", "escape", "html_inline", "newline"),
    ]
)
"""Only the rules that decide what is quoted, code or HTML; the others take quadratic time on hostile text."""

_MARK = "\ue000"
"""Put around the number of each candidate line, so that it can be found among the parser's tokens."""
_MARKED = re.compile(f"{_MARK}([0-9]+){_MARK}")
_HTML = re.compile(r"<!--|<(pre|code|blockquote|script|style|textarea)\b", re.IGNORECASE)
_LINKS = (("![", "]"), ("](", ")"))
"""What begins the text of an image, and the address and title of a link, and what ends it."""
_DEFINED = re.compile(r"""\s*(?:\S+\s+["'(][^"')]*)?""")
"""The rest of the line after `[label]:`, if the address or a title continues on the next line."""
_PARAGRAPH = "\n"
"""A closing mark that no line contains: what is open stays open to the end of the paragraph."""

INVISIBLE = r"\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
"""Invisible characters, as ranges of a regular expression: commands treat them as spaces."""
_START = re.compile(rf"( {{0,3}})(?:(?:[^\S\t\n ]|[{INVISIBLE}])(?:[^\S\t\n]|[{INVISIBLE}]){{0,7}})?/")
"""Some spaces, fewer than Markdown's four of a code block, and a slash."""


def begins_command(line: str) -> bool:
    return _START.match(line) is not None


def visible_commands(body: str) -> Iterator[str]:
    """Lines that begin with a slash, outside quotes, code, HTML blocks and comments, and links, in order.

    Spaces may precede the slash, except in a list, where indented lines belong to the text of an item.
    """
    lines = body.replace("\r\n", "\n").replace("\r", "\n").replace(_MARK, "\ufffd").split("\n")
    if not any(map(begins_command, lines)):
        return
    marked = (_marked(i, line) for i, line in enumerate(lines))
    for number, in_list in _visible_numbers(_MARKDOWN.parse("\n".join(marked))):
        if lines[number].startswith("/") or not in_list:
            yield lines[number]


def _marked(number: int, line: str) -> str:
    match = _START.match(line)
    return f"{match[1]}{_MARK}{number}{_MARK}{line[match.end(1) :]}" if match is not None else line


def _visible_numbers(tokens: Sequence[Token]) -> Iterator[tuple[int, bool]]:
    """Numbers of the marked lines that show, and whether they are in a list."""
    quotes = lists = 0
    closing = ""
    """What ends the HTML element or comment that hides the text; "" outside of one."""
    for token in tokens:
        quotes += token.nesting if token.type.startswith("blockquote") else 0
        lists += token.nesting if token.type.startswith("list_item") else 0
        if quotes:
            continue
        if token.type == "html_block":
            closing = _open_html(token.content, closing)
        starts_line, link_end = True, ""
        for child in token.children or ():
            match = _MARKED.match(child.content) if child.type == "text" and starts_line else None
            if match is not None and not closing and not link_end:
                yield int(match[1]), lists > 0
            if child.type == "text":
                link_end = _open_link(child.content, link_end)
            # A comment that is never closed is text for the parser; what follows it stays hidden.
            if child.type in ("text", "html_inline"):
                closing = _open_html(child.content, closing)
            starts_line = child.type in ("softbreak", "hardbreak")


def _open_link(text: str, end: str) -> str:
    """What ends the link or image that is open after the line, given the one before it; "" outside of one."""
    if end and end not in text:
        return end
    for begin, end in _LINKS:
        at = text.rfind(begin)
        if at >= 0 and text.find(end, at + len(begin)) < 0:
            return end
    _, definition, rest = text.rpartition("]:")
    return _PARAGRAPH if definition and _DEFINED.fullmatch(rest) else ""


def _open_html(text: str, closing: str) -> str:
    """The closing tag that is awaited after the text, given the one awaited before it."""
    text, at = text.lower(), 0
    while True:
        if closing:
            end = text.find(closing, at)
            if end < 0:
                return closing
            at, closing = end + len(closing), ""
        match = _HTML.search(text, at)
        if match is None:
            return ""
        at, closing = match.end(), f"</{match[1]}>" if match[1] else "-->"

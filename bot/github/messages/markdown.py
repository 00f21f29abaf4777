"""Markdown that says what it should, whatever a branch, a file or a log line is called. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_INVISIBLE = "\u200b"
"""A zero-width space: takes `@name`, `#1` and `https://` apart for GitHub, and for nobody who reads."""
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_SPECIAL = re.compile(r"([\\`*_\[\]{}()#+!|~$^-])")


def plain(text: str, longest: int = 1000) -> str:
    """One paragraph: nothing in it becomes markup, a mention or a link; `code` stays code."""
    words = one_line(text, longest)
    pieces, end = [], 0
    for match in _CODE.finditer(words):
        pieces += [_escaped(words[end : match.start()]), match[0]]
        end = match.end()
    return "".join([*pieces, _escaped(words[end:])])


def code(text: str, longest: int = 200) -> str:
    """Inline code that its content cannot leave."""
    words = one_line(text, longest) or " "
    fence = "`" * (_longest_run(words) + 1)
    room = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{fence}{room}{words}{room}{fence}"


def block(text: str, longest: int) -> str:
    """A code block of the last `longest` bytes (UTF-8), that its content cannot leave."""
    lines = [line.rstrip() for line in _cleaned(text).split("\n")]
    return _fenced(last_bytes("\n".join(lines).strip("\n"), longest), "text")


def diff_block(lines: Iterable[str], longest: int) -> str:
    """A diff that its content cannot leave: as many of its lines as `longest` bytes (UTF-8) hold."""
    cleaned = [one_line(line, 1000) for line in lines]
    shown, size = 0, 0
    for line in cleaned:
        size += len(line.encode()) + 1
        if size > longest:
            break
        shown += 1
    left_out = [f"… {len(cleaned) - shown} more lines"] if shown < len(cleaned) else []
    return _fenced("\n".join([*cleaned[:shown], *left_out]), "diff")


def one_line(text: str, longest: int) -> str:
    """For titles and descriptions, which GitHub shows as they are."""
    return clipped(" ".join(_cleaned(text).split()), longest)


def clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def last_bytes(text: str, longest: int) -> str:
    """The end of the text, beginning with a whole line when there is more than one."""
    encoded = text.encode()
    if len(encoded) <= longest:
        return text
    end = encoded[-(longest - 4) :].decode(errors="ignore")
    _, newline, lines = end.partition("\n")
    return "…\n" + (lines if newline and lines else end)


def _cleaned(text: str) -> str:
    """Without what a terminal would obey or a reader could not see; every line end is a newline."""
    text = text.encode(errors="replace").decode()
    return _CONTROL.sub("", _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"^(\d+)([.)])", r"\1\\\2", _SPECIAL.sub(r"\\\1", text))
    text = text.replace("@", "@" + _INVISIBLE).replace("://", f":{_INVISIBLE}//")
    text = re.sub(r"\b(www|GH|gh)(?=[.\\-])", r"\1" + _INVISIBLE, text, flags=re.IGNORECASE)
    return re.sub(r"#(?=\d)", "#" + _INVISIBLE, text)


def _fenced(content: str, language: str) -> str:
    fence = "`" * max(_longest_run(content) + 1, 3)
    return f"{fence}{language}\n{content}\n{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)

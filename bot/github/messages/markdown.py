"""Markdown from untrusted text: names, log lines and quotes never become markup. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urlsplit

from bot.model.plain_text import plain_text
from bot.model.times import format_time

_ZERO_WIDTH_SPACE = "\u200b"
"""Zero-width space. It keeps GitHub from linking `@name`, `#1` and `https://`, and readers do not see it."""
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9_])_+|(?<!_)_+(?![A-Za-z0-9_])|^[-+#]")
"""What can begin markup. Names such as `web-64c8` stay as they are, for readers of the source."""
_MAX_NAMES = 10
_ENDED = re.compile(r"[.?!…][\"'`”]*$")


def plain(text: str, longest: int = 1000) -> str:
    """One paragraph without markup, mentions or links; `code` stays code."""
    line = one_line(text, longest)
    pieces, end = [], 0
    for match in _CODE.finditer(line):
        pieces += [_escaped(line[end : match.start()]), match[0]]
        end = match.end()
    return "".join([*pieces, _escaped(line[end:])])


def code(text: str, longest: int = 200) -> str:
    """Inline code that its content cannot close."""
    line = one_line(text, longest) or " "
    fence = "`" * (_longest_run(line) + 1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def link(url: str | None) -> str:
    """A link whose text is the URL's host."""
    host = urlsplit(url or "").netloc
    return f"[{host.replace('[', '').replace(']', '')}]({url})"


def timestamp(moment: datetime) -> str:
    return format_time(moment, year=True)


def short_digest(digest: str) -> str:
    """The digest's algorithm and its first twelve digits."""
    algorithm, colon, value = digest.partition(":")
    return f"{algorithm}{colon}{value[:12]}"


def sentence(clause: str) -> str:
    """The clause with a capital letter and a full stop, unless it ends like a sentence."""
    return capitalized(ended(clause))


def ended(text: str) -> str:
    """The text with a full stop, unless it ends like a sentence. Lines of a list stay as they are."""
    words = text.rstrip(" \n\t:;,")
    return words if not words or "\n" in words or _ENDED.search(words) else f"{words}."


def name_list(names: Iterable[str]) -> str:
    """The names in order, as code; above a limit only the number of the rest."""
    listed = sorted(" ".join(name.replace("`", "'").split()) for name in names)
    more = [f"{len(listed) - _MAX_NAMES} more"] if len(listed) > _MAX_NAMES else []
    return ", ".join([*(f"`{name}`" for name in listed[:_MAX_NAMES]), *more])


def clause(text: str) -> str:
    """A text of another program as a part of a sentence: without its full stop."""
    words = text.strip()
    return words if words.endswith("..") else words.removesuffix(".")


def capitalized(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}"


def bullet_list(items: Iterable[str], title: str = "") -> str:
    """An empty string without items."""
    lines = [f"- {item}" for item in items]
    return "\n".join([*([title, ""] if title else []), *lines]) if lines else ""


def block(text: str, longest: int) -> str:
    """A code block of the last `longest` bytes (UTF-8) that its content cannot close."""
    lines = [line.rstrip() for line in plain_text(text).split("\n")]
    return _fenced(last_bytes("\n".join(lines).strip("\n"), longest), "text")


def diff_block(lines: Iterable[str], longest: int) -> str:
    """A diff of at most `longest` bytes (UTF-8) that its content cannot close."""
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
    """A line for titles and descriptions, which GitHub does not render as Markdown."""
    return clipped(" ".join(plain_text(text).split()), longest)


def clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def last_bytes(text: str, longest: int) -> str:
    """The end of the text, beginning with a complete line when there is more than one."""
    encoded = text.encode()
    if len(encoded) <= longest:
        return text
    end = encoded[-(longest - 4) :].decode(errors="ignore")
    _, newline, lines = end.partition("\n")
    return "…\n" + (lines if newline and lines else end)


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", _MARKUP.sub(_escape_each, text))
    text = text.replace("@", "@" + _ZERO_WIDTH_SPACE).replace("://", f":{_ZERO_WIDTH_SPACE}//")
    text = re.sub(r"\b(www|GH|gh)(?=[.\\-])", r"\1" + _ZERO_WIDTH_SPACE, text, flags=re.IGNORECASE)
    return re.sub(r"#(?=\d)", "#" + _ZERO_WIDTH_SPACE, text)


def _escape_each(match: re.Match[str]) -> str:
    return "".join(f"\\{character}" for character in match[0])


def _fenced(content: str, language: str) -> str:
    fence = "`" * max(_longest_run(content) + 1, 3)
    return f"{fence}{language}\n{content}\n{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)

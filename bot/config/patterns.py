"""Glob patterns of paths and of branches, matched without exponential backtracking.

A pattern becomes a regular expression of atomic groups: each part between wildcards is matched at its first
occurrence and never tried again. That finds every match, because an earlier occurrence leaves more text for
the rest; only what follows the last `**` is bound to the end of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

_PATH_TOKEN = re.compile(r"(?P<folders>(?:(?<=/)|^)\*\*/)|(?P<any>\*\*+)|(?P<star>\*)|(?P<one>\?)|(?s:.)")
_BRANCH_TOKEN = re.compile(
    r"(?P<folders>(?:(?<=/)|^)\*\*/)|(?P<star>\*+)|(?P<one>\?)"
    r"|\[(?P<not>[!^]?)(?P<set>\]?[^\]]*)\]|\\(?P<escaped>(?s:.))|(?s:.)"
)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What stands between wildcards that cross folders."""

    crossing: bool
    """Whether any number of whole folders may be before it."""
    runs: list[str]
    """Regular expressions of fixed length; a star is between each two of them."""
    slashes: int = 0


def any_path_matcher(patterns: Sequence[str]) -> re.Pattern[str]:
    """An expression whose `fullmatch` finds paths that match one of the patterns; see path_matches."""
    return _compiled(tuple(patterns), _PATH_TOKEN)


def path_matches(path: str, pattern: str) -> bool:
    """Matches as GitHub's path filters: `*` and `?` stay inside a folder, `**` crosses folders.

    Brackets are literal: paths such as `pages/[id].tsx` are more common than character classes.
    """
    return any_path_matcher((pattern,)).fullmatch(path) is not None


def branch_matches(name: str, pattern: str) -> bool:
    """Matches as GitHub's deployment branch rules: no wildcard matches `/`, except `**/` for any folders."""
    return _compiled((pattern,), _BRANCH_TOKEN).fullmatch(name) is not None


@lru_cache(maxsize=256)
def _compiled(patterns: tuple[str, ...], token: re.Pattern[str]) -> re.Pattern[str]:
    expressions = (_expression(list(_chunks(token.finditer(pattern)))) for pattern in patterns)
    return re.compile("|".join(f"(?:{expression})" for expression in expressions) or "(?!)", re.DOTALL)


def _chunks(tokens: Iterable[re.Match[str]]) -> Iterable[_Chunk]:
    """`**` in a name is any number of folders and a star."""
    chunk = _Chunk(False, [""])
    for token in tokens:
        if token.lastgroup in ("folders", "any"):
            if chunk != _Chunk(True, [""]):
                yield chunk
            chunk = _Chunk(True, [""] if token.lastgroup == "folders" else ["", ""])
        elif token.lastgroup == "star":
            chunk.runs.append("")
        else:
            chunk.runs[-1] += _one_character(token)
            if token[0] == "/":
                chunk = replace(chunk, slashes=chunk.slashes + 1)
    yield chunk


def _one_character(token: re.Match[str]) -> str:
    groups = token.groupdict()
    if groups["one"]:
        return "[^/]"
    if groups.get("set"):
        return _character_class(groups["not"], groups["set"])
    return re.escape(groups.get("escaped") or token[0])


def _character_class(negated: str, members: str) -> str:
    escaped = re.sub(r"([\[\]\\&|~^])", r"\\\1", members)
    try:
        re.compile(f"[{escaped}]")
    except re.error:  # a range such as z-a
        return "(?!)"
    return f"(?!/)[{'^' if negated else ''}{escaped}]"


def _expression(chunks: Sequence[_Chunk]) -> str:
    *others, last = chunks
    return "".join(map(_first_occurrence, others)) + _at_the_end(last)


def _first_occurrence(chunk: _Chunk) -> str:
    folders = "(?:.*?/)??" if chunk.crossing else ""
    first, *others = chunk.runs
    return f"(?>{folders}{first}{_stars(others)})"


def _at_the_end(chunk: _Chunk) -> str:
    # A chunk with N slashes begins in the folder before the last N slashes.
    folders = rf"(?>(?:.*/)?(?=(?:[^/]*/){{{chunk.slashes}}}[^/]*\Z))" if chunk.crossing else ""
    first, *others = chunk.runs
    if not others:
        return f"{folders}{first}"
    return f"{folders}{first}{_stars(others[:-1])}[^/]*{others[-1]}"


def _stars(runs: Iterable[str]) -> str:
    """Each run after a star, at its first occurrence."""
    return "".join(f"(?>[^/]*?{run})" for run in runs)

"""From a comment's text to the command in it. Pure."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta

from bot.commands.table import COMMANDS, Verb
from bot.commands.visible import visible_lines

LONGEST = 65_536
"""GitHub takes no longer comment."""

_LINE = re.compile(r"/([A-Za-z][A-Za-z-]{0,39})(?:[ \t]+(.*?))?[ \t]*")
_DURATION = re.compile(r"([1-9][0-9]{0,4})(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_NEAR = 0.7


@dataclass(frozen=True, slots=True)
class Command:
    verb: Verb
    duration: timedelta | None = None
    """For `/extend`."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Meant as a command, but none."""

    typed: str
    nearest: tuple[Verb, ...] = ()
    """What may have been meant; empty when nothing is like it."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a comment asks for: its first command, and how many more there are (they are not run)."""

    first: Command | Mistake
    more: int = 0


def parse(body: str) -> Spoken | None:
    """None for ordinary text, such as a path at the start of a line."""
    if len(body) > LONGEST or "/" not in body:
        return None
    found = [spoken for line in visible_lines(body) if (spoken := _parse_line(line)) is not None]
    return Spoken(found[0], len(found) - 1) if found else None


def digest(body: str) -> str:
    """Tells whether a comment is still the one that was delivered."""
    return hashlib.sha256(body.encode(errors="replace")).hexdigest()[:32]


def _parse_line(line: str) -> Command | Mistake | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    word, rest = match[1].lower(), " ".join((match[2] or "").lower().split())
    verbs = _WORDS.get(word)
    if verbs is None:
        near = difflib.get_close_matches(word, _WORDS, n=1, cutoff=_NEAR)
        return Mistake(f"/{word}", _WORDS[near[0]] if near else ()) if near or not rest else None
    return _command(word, rest) or Mistake(f"/{word} {rest}".strip(), verbs)


def _command(word: str, rest: str) -> Command | None:
    if word == "extend":
        length = _DURATION.fullmatch(rest)
        return Command(Verb.EXTEND, timedelta(**{_UNITS[length[2]]: int(length[1])})) if length else None
    said = f"/{word} {rest}".strip()
    verb = Verb.PREVIEW if said == "/preview up" else next((verb for verb in Verb if verb == said), None)
    return Command(verb) if verb is not None else None


def _words() -> dict[str, tuple[Verb, ...]]:
    words: dict[str, tuple[Verb, ...]] = {}
    for verb in COMMANDS:
        word = verb.removeprefix("/").partition(" ")[0]
        words[word] = (*words.get(word, ()), verb)
    return words


_WORDS = _words()
"""First word to the commands that begin with it."""

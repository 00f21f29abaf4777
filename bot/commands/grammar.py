"""From a comment's text to the command in it. Pure."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta

from bot.commands.comment_text import visible_commands
from bot.commands.table import COMMANDS, STAGE_VERBS, Verb

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
    """For `/extend` and `/lock`."""
    words: tuple[str, ...] = ()
    """What follows a command about stages, as it was typed; the stage that `/status` or `/why` is about."""


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    """Meant as a command, but none."""

    typed: str
    nearest: tuple[Verb, ...]
    """What may have been meant."""


@dataclass(frozen=True, slots=True)
class ParsedComment:
    """What a comment asks for: its first command, and how many more there are (they are not run)."""

    first: Command | UnknownCommand
    more: int = 0


def parse(body: str) -> ParsedComment | None:
    """None for ordinary text, such as a path at the start of a line, and for commands of other bots."""
    if len(body) > LONGEST or "/" not in body:
        return None
    if not any(_parse_line(line) for line in re.split(r"[\r\n]", body) if line.startswith("/")):
        return None  # Most comments end here, before their Markdown is parsed.
    found = [command for line in visible_commands(body) if (command := _parse_line(line)) is not None]
    return ParsedComment(found[0], len(found) - 1) if found else None


def digest(body: str) -> str:
    """Tells whether a comment is still the one that was delivered."""
    return hashlib.sha256(body.encode(errors="replace")).hexdigest()[:32]


def _parse_line(line: str) -> Command | UnknownCommand | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    word, rest = match[1].lower(), " ".join((match[2] or "").lower().split())
    verbs = _WORDS.get(word)
    if verbs is None:
        near = _nearest(word)
        return UnknownCommand(f"/{word}", _WORDS[near]) if near else None
    said = tuple((match[2] or "").split())
    return _command(word, rest) or _worded(word, said) or UnknownCommand(f"/{word} {rest}".strip(), verbs)


def _nearest(word: str) -> str | None:
    """Of several that are as near, the first in the table. Nobody errs in the first letter: `/review` is
    another bot's."""
    likeness = {
        each: difflib.SequenceMatcher(None, each, word).ratio() for each in _WORDS if each[0] == word[0]
    }
    best = max(likeness, key=likeness.__getitem__, default="")
    return best if likeness.get(best, 0) >= _NEAR else None


def _command(word: str, rest: str) -> Command | None:
    if word == "extend":
        length = _DURATION.fullmatch(rest)
        return Command(Verb.EXTEND, timedelta(**{_UNITS[length[2]]: int(length[1])})) if length else None
    said = f"/{word} {rest}".strip()
    verb = Verb.PREVIEW if said == "/preview up" else next((verb for verb in Verb if verb == said), None)
    return Command(verb) if verb is not None and verb not in STAGE_VERBS else None


def _worded(word: str, said: tuple[str, ...]) -> Command | None:
    verb = next((verb for verb, entry in COMMANDS.items() if verb == f"/{word}" and entry.words[1]), None)
    if verb is None:
        return None
    least, most = COMMANDS[verb].words
    if not least <= len(said) <= most:
        return None
    if verb is Verb.LOCK:
        return _lock(said)
    return Command(verb, words=said)


def _lock(said: tuple[str, ...]) -> Command | None:
    """The stage, then perhaps `for 2h`, then perhaps why."""
    stage, why = said[0], said[1:]
    if why and why[0].lower() == "for":
        length = _DURATION.fullmatch(why[1].lower()) if len(why) > 1 else None
        if length is None:
            return None
        return Command(Verb.LOCK, timedelta(**{_UNITS[length[2]]: int(length[1])}), (stage, *why[2:]))
    return Command(Verb.LOCK, words=(stage, *why))


def _words() -> dict[str, tuple[Verb, ...]]:
    words: dict[str, tuple[Verb, ...]] = {}
    for verb in COMMANDS:
        word = verb.removeprefix("/").partition(" ")[0]
        words[word] = (*words.get(word, ()), verb)
    return words


_WORDS = _words()
"""First word to the commands that begin with it."""

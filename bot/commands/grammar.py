"""Parses the commands in a comment. Pure."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from bot.commands.comment_text import visible_commands
from bot.commands.table import COMMANDS, STAGE_VERBS, Verb

LONGEST = 65_536
"""Longest comment on GitHub."""

MAX_COMMANDS = 50
"""Most lines of a comment that can be commands; suggestions for a mistyped one take long to find."""

_LINE = re.compile(r"/([A-Za-z][A-Za-z-]{0,39})(?:[ \t](.*))?")
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
    """A line that resembles a command."""

    typed: str
    nearest: tuple[Verb, ...]
    """Suggestions."""


class TooManyCommands(Enum):
    """A comment with more than MAX_COMMANDS lines that can be commands, of which at least one is."""

    TOO_MANY_COMMANDS = auto()


TOO_MANY_COMMANDS = TooManyCommands.TOO_MANY_COMMANDS


@dataclass(frozen=True, slots=True)
class ParsedComment:
    """The first command of a comment, and the number of further ones, which are ignored."""

    first: Command | UnknownCommand | TooManyCommands
    more: int = 0


def parse(body: str) -> ParsedComment | None:
    """None for ordinary text, such as a path at the start of a line, and for commands of other bots."""
    if len(body) > LONGEST or "/" not in body:
        return None
    written = _candidates(re.split(r"[\r\n]", body))
    if len(written) <= MAX_COMMANDS and not any(map(_parse_line, written)):
        return None  # Most comments end here, before their Markdown is parsed.
    visible = _candidates(visible_commands(body))
    if len(visible) > MAX_COMMANDS:
        has_command = any(match[1].lower() in _WORDS for match in visible)
        return ParsedComment(TOO_MANY_COMMANDS) if has_command else None
    commands = [command for match in visible if (command := _parse_line(match)) is not None]
    return ParsedComment(commands[0], len(commands) - 1) if commands else None


def digest(body: str) -> str:
    """Detects that a comment was edited after its delivery."""
    return hashlib.sha256(body.encode(errors="replace")).hexdigest()[:32]


def _candidates(lines: Iterable[str]) -> list[re.Match[str]]:
    """Lines of the form of a command."""
    return [match for line in lines if line.startswith("/") and (match := _LINE.fullmatch(line))]


def _parse_line(match: re.Match[str]) -> Command | UnknownCommand | None:
    word, rest = match[1].lower(), " ".join((match[2] or "").lower().split())
    verbs = _WORDS.get(word)
    if verbs is None:
        near = _nearest(word)
        return UnknownCommand(f"/{word}", _WORDS[near]) if near else None
    words = tuple((match[2] or "").split())
    return _command(word, rest) or _worded(word, words) or UnknownCommand(f"/{word} {rest}".strip(), verbs)


def _nearest(word: str) -> str | None:
    """The most similar command with the same first letter: `/review` belongs to another bot."""
    likeness = {
        name: difflib.SequenceMatcher(None, name, word).ratio() for name in _WORDS if name[0] == word[0]
    }
    best = max(likeness, key=likeness.__getitem__, default="")
    return best if likeness.get(best, 0) >= _NEAR else None


def _command(word: str, rest: str) -> Command | None:
    if word == "extend":
        length = _DURATION.fullmatch(rest)
        return Command(Verb.EXTEND, timedelta(**{_UNITS[length[2]]: int(length[1])})) if length else None
    words = f"/{word} {rest}".strip()
    verb = Verb.PREVIEW if words == "/preview up" else next((verb for verb in Verb if verb == words), None)
    return Command(verb) if verb is not None and verb not in STAGE_VERBS else None


def _worded(word: str, words: tuple[str, ...]) -> Command | None:
    verb = next((verb for verb, entry in COMMANDS.items() if verb == f"/{word}" and entry.words[1]), None)
    if verb is None:
        return None
    least, most = COMMANDS[verb].words
    if not least <= len(words) <= most:
        return None
    if verb is Verb.LOCK:
        return _lock(words)
    return Command(verb, words=words)


def _lock(words: tuple[str, ...]) -> Command | None:
    """The stage, then perhaps `for 2h`, then perhaps a reason."""
    stage, reason = words[0], words[1:]
    if reason and reason[0].lower() == "for":
        length = _DURATION.fullmatch(reason[1].lower()) if len(reason) > 1 else None
        if length is None:
            return None
        return Command(Verb.LOCK, timedelta(**{_UNITS[length[2]]: int(length[1])}), (stage, *reason[2:]))
    return Command(Verb.LOCK, words=(stage, *reason))


def _words() -> dict[str, tuple[Verb, ...]]:
    words: dict[str, tuple[Verb, ...]] = {}
    for verb in COMMANDS:
        word = verb.removeprefix("/").partition(" ")[0]
        words[word] = (*words.get(word, ()), verb)
    return words


_WORDS = _words()
"""First word to the commands that begin with it."""

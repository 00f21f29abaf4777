"""Parses the commands in a comment. Pure."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum, auto

from bot.commands.comment_text import INVISIBLE, begins_command, visible_commands
from bot.commands.table import COMMANDS, Argument, Entry, Verb
from bot.model.durations import parse_duration
from bot.promotions.approvals import is_release_name

LONGEST = 65_536
"""Longest comment on GitHub."""

MAX_COMMANDS = 50
"""Most lines of a comment that can be commands; suggestions for a mistyped one take long to find."""

_SPACES = re.compile(rf"[\s{INVISIBLE}]+")
"""Spaces, including invisible and non-breaking ones."""
_LINE = re.compile(r"/([A-Za-z][A-Za-z-]{0,39})([.,:;!?]*)(?: (.*))?")
_NEAR = 0.7
REASON_WORDS = 100
"""Longest reason."""
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_FLAGS = {
    Argument.MOVE: re.compile("(?:--|[\u2013\u2014])move", re.IGNORECASE),
    Argument.NOW: re.compile("(?:--|[\u2013\u2014])now", re.IGNORECASE),
}
"""Dashes with which phones replace two hyphens."""
_SHORTEST = timedelta(minutes=1)
_NUMBER_WORD = (
    r"an?|half(?: an?)?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|few|several|couple of"
)
_UNIT_WORD = r"sec(?:ond)?s?|min(?:ute)?s?|h(?:ou)?rs?|hours?|days?|w(?:ee)?ks?|months?"
_TIME = re.compile(
    rf"(?<![0-9])[0-9]+(?:[.,][0-9]+)?[ -]?(?:[smhdw]|{_UNIT_WORD})(?![a-z])"
    rf"|\b(?:{_NUMBER_WORD})[ -](?:{_UNIT_WORD})\b"
    r"|\b(?:until|till)\b(?: \S+)?|\b[0-9]{1,2} ?[ap]\.?m\b|\b[0-9]{1,2}:[0-9]{2}\b",
    re.IGNORECASE,
)
"""Lengths of locks in forms that are not parsed as durations."""


@dataclass(frozen=True, slots=True)
class Command:
    verb: Verb
    duration: timedelta | None = None
    """For `/extend` and `/lock`."""
    words: tuple[str, ...] = ()
    """What follows a command about stages, as it was typed; the stage that `/status` or `/why` is about."""
    moves: bool = False
    """Whether `--move` confirms that the stage moves to another cluster."""
    now: bool = False
    """Whether `--now` skips the remaining analysis of the stage's rollout."""


class UsageProblem(StrEnum):
    STAGE_MISSING = "stage missing"
    DURATION_MISSING = "duration missing"
    NO_DURATION = "no duration"
    DURATION_TOO_SHORT = "duration too short"
    DURATION_MISPLACED = "duration misplaced"
    """A duration in the reason of a lock."""
    NO_RELEASE = "no release"
    NO_COMMIT = "no commit"
    UNEXPECTED = "unexpected"
    REASON_TOO_LONG = "reason too long"


@dataclass(frozen=True, slots=True)
class Misuse:
    """A known command with missing or wrong arguments."""

    verb: Verb
    problem: UsageProblem
    typed: str = ""
    """The invalid words."""
    stage: str = ""
    """The stage as it was typed; "" without one."""


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    """A line that resembles a command."""

    typed: str
    nearest: tuple[Verb, ...]
    """Suggestions."""
    corrected: str = ""
    """The whole line with the nearest command; "" where its arguments do not fit."""


class TooManyCommands(Enum):
    """A comment with more than MAX_COMMANDS lines that can be commands, of which at least one is."""

    TOO_MANY_COMMANDS = auto()


TOO_MANY_COMMANDS = TooManyCommands.TOO_MANY_COMMANDS


@dataclass(frozen=True, slots=True)
class ParsedComment:
    """The first command of a comment, and the number of further ones, which are ignored."""

    first: Command | Misuse | UnknownCommand | TooManyCommands
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
        has_command = any(match[1].lower() in _FAMILIES for match in visible)
        return ParsedComment(TOO_MANY_COMMANDS) if has_command else None
    commands = [command for match in visible if (command := _parse_line(match)) is not None]
    return ParsedComment(commands[0], len(commands) - 1) if commands else None


def digest(body: str) -> str:
    """Detects that a comment was edited after its delivery."""
    return hashlib.sha256(body.encode(errors="replace")).hexdigest()[:32]


def _candidates(lines: Iterable[str]) -> list[re.Match[str]]:
    """Lines of the form of a command."""
    return [
        match
        for line in lines
        if begins_command(line) and (match := _LINE.fullmatch(_SPACES.sub(" ", line).strip()))
    ]


def _parse_line(match: re.Match[str]) -> Command | Misuse | UnknownCommand | None:
    word, words = match[1].lower(), tuple((match[3] or "").split())
    name = word if word in _FAMILIES else None if match[2] else _nearest(word)
    if name is None:
        return None
    if name == word and not match[2]:
        return _parse_words(word, words)
    corrected = " ".join([f"/{name}", *words])
    fits = isinstance(_parse_words(name, words), Command)
    typed = " ".join([f"/{word}{match[2]}", *words])
    return UnknownCommand(typed, _FAMILIES[name], corrected if fits else "")


def _nearest(word: str) -> str | None:
    """The most similar command with the same first letter: `/review` belongs to another bot."""
    likeness = {
        name: difflib.SequenceMatcher(None, name, word).ratio() for name in _FAMILIES if name[0] == word[0]
    }
    best = max(likeness, key=likeness.__getitem__, default="")
    return best if likeness.get(best, 0) >= _NEAR else None


def _parse_words(name: str, words: tuple[str, ...]) -> Command | Misuse:
    family = _FAMILIES[name]
    if len(family) > 1:
        rest = " ".join(words).lower()
        verb = (
            family[0] if rest == "up" else next((v for v in family if v == f"/{name} {rest}".strip()), None)
        )
        return Command(verb) if verb else Misuse(family[0], UsageProblem.UNEXPECTED, " ".join(words))
    [verb] = family
    if Argument.DURATION in COMMANDS[verb].arguments:
        return _extend(words) if verb is Verb.EXTEND else _lock(verb, words)
    return _about_stage(verb, words)


def _extend(words: tuple[str, ...]) -> Command | Misuse:
    if not words:
        return Misuse(Verb.EXTEND, UsageProblem.DURATION_MISSING)
    duration, rest = _duration(words)
    if duration is None:
        return Misuse(Verb.EXTEND, UsageProblem.NO_DURATION, " ".join(words))
    if duration < _SHORTEST:
        return Misuse(Verb.EXTEND, UsageProblem.DURATION_TOO_SHORT, " ".join(words[: len(words) - len(rest)]))
    if rest:
        return Misuse(Verb.EXTEND, UsageProblem.UNEXPECTED, " ".join(rest))
    return Command(Verb.EXTEND, duration)


def _lock(verb: Verb, words: tuple[str, ...]) -> Command | Misuse:
    """The stage, then perhaps `2h` or `for 2h`, then perhaps a reason."""
    if not words:
        return Misuse(verb, UsageProblem.STAGE_MISSING)
    stage, rest = words[0], words[1:]
    timed = rest[1:] if rest and rest[0].lower() == "for" else rest
    if rest and not timed:
        return Misuse(verb, UsageProblem.DURATION_MISSING, stage=stage)
    # A wrong duration is not taken for a reason: the user would expect another length of the lock.
    duration, after = _duration(timed) if timed else (None, rest)
    if duration is not None:
        if duration < _SHORTEST:
            typed = " ".join(timed[: len(timed) - len(after)])
            return Misuse(verb, UsageProblem.DURATION_TOO_SHORT, typed, stage)
        if after and after[0][0].isdigit() and (more := _TIME.match(" ".join(after))) is not None:
            typed = " ".join([*timed[: len(timed) - len(after)], more[0]])
            return Misuse(verb, UsageProblem.NO_DURATION, typed, stage)
        rest = after
    elif (wrong := _wrong_duration(timed)) is not None:
        return Misuse(verb, *wrong, stage)
    if len(rest) > REASON_WORDS:
        return Misuse(verb, UsageProblem.REASON_TOO_LONG, stage=stage)
    return Command(verb, duration, (stage, *rest))


def _wrong_duration(words: tuple[str, ...]) -> tuple[UsageProblem, str] | None:
    """Text that resembles a duration but is invalid or misplaced; other numbers belong to the reason."""
    text = " ".join(words)
    time = _TIME.search(text)
    if time is not None and time.start() > 0:
        return UsageProblem.DURATION_MISPLACED, time[0]
    if time is not None:
        return UsageProblem.NO_DURATION, time[0]
    is_number = text.isdigit() or (text[:1].isnumeric() and not words[0].isdigit())
    return (UsageProblem.NO_DURATION, words[0]) if is_number else None


def _about_stage(verb: Verb, words: tuple[str, ...]) -> Command | Misuse:
    entry = COMMANDS[verb]
    if entry.required and not words:
        return Misuse(verb, UsageProblem.STAGE_MISSING)
    stage = words[0] if words and entry.required else ""
    if Argument.REASON in entry.arguments:
        too_long = len(words) > REASON_WORDS
        return (
            Misuse(verb, UsageProblem.REASON_TOO_LONG, stage=stage)
            if too_long
            else Command(verb, words=words)
        )
    flags, words = _flags(entry, words)
    if flags and not words:
        return Misuse(verb, UsageProblem.STAGE_MISSING)
    now = Argument.NOW in flags
    most = 1 if now else len(entry.arguments) - len(_FLAGS.keys() & set(entry.arguments))
    if len(words) > most:
        return Misuse(verb, UsageProblem.UNEXPECTED, " ".join(words[most:]), stage)
    if verb is Verb.VOUCH and words and not _COMMIT.fullmatch(words[0]):
        return Misuse(verb, UsageProblem.NO_COMMIT, words[0])
    if verb is Verb.APPROVE and len(words) == most and not is_release_name(words[-1]):
        return Misuse(verb, UsageProblem.NO_RELEASE, words[-1], words[0])
    return Command(verb, words=words, moves=Argument.MOVE in flags, now=now)


def _flags(entry: Entry, words: tuple[str, ...]) -> tuple[frozenset[Argument], tuple[str, ...]]:
    """The flags among the words that the command takes, and the other words."""
    flags = {
        word: flag
        for word in words
        for flag, expression in _FLAGS.items()
        if flag in entry.arguments and expression.fullmatch(word)
    }
    return frozenset(flags.values()), tuple(word for word in words if word not in flags)


def _duration(words: tuple[str, ...]) -> tuple[timedelta | None, tuple[str, ...]]:
    """The duration at the start, such as `24h` or `24 h`, and the words after it."""
    split = 2 if words[0].isdigit() else 1
    try:
        duration = parse_duration("".join(words[:split]).lower())
    except ValueError:
        return None, words
    return duration, words[split:]


def _families() -> dict[str, tuple[Verb, ...]]:
    families: dict[str, tuple[Verb, ...]] = {}
    for verb in COMMANDS:
        word = verb.removeprefix("/").partition(" ")[0]
        families[word] = (*families.get(word, ()), verb)
    return families


_FAMILIES = _families()
"""First word to the commands that begin with it."""

"""Finds secrets that a program wrote in a notation of its own. Pure.

Programs differ in which characters they escape, and how. So the text is read as its reader would, and the
places of the values in the result lead back to the text.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

_CONTROLS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "e": "\x1b"}
_HIGHEST = 0x10FFFF


@dataclass(frozen=True, slots=True)
class Notation:
    sign: re.Pattern[str]
    """One written character, or several that are read together."""
    read: Callable[[re.Match[str]], str]
    needs: str
    """A text without any of these characters contains nothing in the notation; "" for unknown."""
    nests: bool = False
    """Whether programs write it inside others and others inside it, such as JSON in JSON."""

    def plain(self, text: str) -> str:
        if self.needs and not any(character in text for character in self.needs):
            return text
        return self.sign.sub(self.read, text)


def _text(content: bytes) -> str:
    """UTF-8, or else one character for each byte."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _backslash(match: re.Match[str]) -> str:
    pair, unit, other, octal, sign = match.groups()
    if pair:
        return bytes.fromhex(pair.replace("\\u", "")).decode("utf-16-be")
    if unit:
        return chr(min(int(unit.strip("{}"), 16), _HIGHEST))
    if other:
        return _text(bytes.fromhex(other.replace("\\x", "")))
    if octal:
        return _text(bytes(int(digits, 8) & 0xFF for digits in octal.split("\\")[1:]))
    return _CONTROLS.get(sign, sign)


def _percent(match: re.Match[str]) -> str:
    return " " if match[0] == "+" else _text(bytes.fromhex(match[0].replace("%", "")))


def _base64(match: re.Match[str]) -> str:
    digits = match[0].translate(_ALPHABET)
    try:
        return _text(base64.b64decode(digits[: len(digits) // 4 * 4 + (len(digits) % 4 > 1) * 4] + "==="))
    except (binascii.Error, ValueError):
        return match[0]


def _hexadecimal(match: re.Match[str]) -> str:
    return _text(bytes.fromhex("".join(_DIGITS.findall(match[0]))))


_ALPHABET = str.maketrans("-_", "+/")
_DIGITS = re.compile("[0-9a-fA-F]{2}")
_HIGH_SURROGATE, _LOW_SURROGATE = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_PERCENT = r"%[0-7][0-9a-fA-F]|(?:%[89a-fA-F][0-9a-fA-F])+"
NOTATIONS = (
    Notation(  # JSON, JavaScript, Java, Python, C, shells
        re.compile(
            rf"({_HIGH_SURROGATE}{_LOW_SURROGATE})"
            r"|\\[uU]([0-9a-fA-F]{8}|[0-9a-fA-F]{4}|\{[0-9a-fA-F]{1,6}\})"
            r"|(\\x[0-7][0-9a-fA-F]|(?:\\x[89a-fA-F][0-9a-fA-F])+)"
            r"|(\\[01][0-7]{2}|(?:\\[23][0-7]{2})+)"
            r"|\\(.)",
            re.DOTALL,
        ),
        _backslash,
        "\\",
        nests=True,
    ),
    Notation(re.compile(_PERCENT), _percent, "%", nests=True),
    Notation(re.compile(rf"\+|{_PERCENT}"), _percent, "+"),  # forms and queries
    Notation(re.compile(r"&#?[0-9A-Za-z]{1,31};"), lambda match: html.unescape(match[0]), "&", nests=True),
    Notation(  # quotes in shells, SQL, YAML and CSV
        re.compile(r"'\\''|'\"'\"'|''|\"\""), lambda match: '"' if match[0] == '""' else "'", "'\""
    ),
    Notation(re.compile(r"[A-Za-z0-9+/_-]{8,}"), _base64, "", nests=True),
    Notation(re.compile(r"[0-9a-fA-F]{2}(?:[ :-][0-9a-fA-F]{2}){5,}"), _hexadecimal, " :-"),
)


def written_places(text: str, values: Collection[str]) -> list[tuple[int, int]]:
    """Start and end of each value that is written in some notation."""
    return [place for path in _paths(text, values, ()) for place in _places(text, path, values)]


def _paths(text: str, values: Collection[str], path: tuple[Notation, ...]) -> Iterator[tuple[Notation, ...]]:
    """The notations, one inside the other, in which the text has a value."""
    for notation in NOTATIONS:
        if path and not notation.nests:
            continue
        plain = notation.plain(text)
        if plain == text:
            continue
        if any(value in plain for value in values):
            yield (*path, notation)
        if notation.nests and not path:
            yield from _paths(plain, values, (*path, notation))


def _places(text: str, path: tuple[Notation, ...], values: Collection[str]) -> Iterator[tuple[int, int]]:
    starts, ends = list(range(len(text))), list(range(1, len(text) + 1))
    for notation in path:
        text, starts, ends = _traced(text, notation, starts, ends)
    for value in values:
        at = text.find(value)
        while at >= 0:
            yield starts[at], ends[at + len(value) - 1]
            at = text.find(value, at + 1)


def _traced(
    text: str, notation: Notation, starts: list[int], ends: list[int]
) -> tuple[str, list[int], list[int]]:
    """The plain text, and where each of its characters starts and ends in the first text."""
    pieces, last = list[str](), 0
    new_starts, new_ends = list[int](), list[int]()
    for match in notation.sign.finditer(text):
        before, after = match.span()
        plain = notation.read(match)
        pieces += (text[last:before], plain)
        new_starts += starts[last:before] + [starts[before]] * len(plain)
        new_ends += ends[last:before] + [ends[after - 1]] * len(plain)
        last = after
    pieces.append(text[last:])
    return "".join(pieces), new_starts + starts[last:], new_ends + ends[last:]

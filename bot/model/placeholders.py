"""Placeholders in values of `.greenroom.yml`: `{url}`, `{host}`, `{sha}` and `{number}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum


class Placeholder(StrEnum):
    URL = "url"
    HOST = "host"
    SHA = "sha"
    NUMBER = "number"


_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_PLACEHOLDER = re.compile(rf"\{{\{{({_NAME})\}}\}}|(?<!\$)\{{({_NAME})\}}")
"""`{{name}}` is the text `{name}`. `${name}` belongs to a shell, and other braces to JSON."""


def placeholders(text: str) -> frozenset[Placeholder]:
    """The placeholders that a text uses. ValueError for an unknown one."""
    names = {match[2] for match in _PLACEHOLDER.finditer(text) if match[2]}
    if unknown := sorted(names - set(Placeholder)):
        name, valid = unknown[0], ", ".join(f"{{{placeholder}}}" for placeholder in Placeholder)
        raise ValueError(
            f"unknown placeholder {{{name}}} (placeholders: {valid}); "
            f"write {{{{{name}}}}} for the text {{{name}}}"
        )
    return frozenset(map(Placeholder, names))


def expand(text: str, values: Mapping[Placeholder, str]) -> str:
    """The text with the values of all placeholders."""
    return _PLACEHOLDER.sub(
        lambda match: values[Placeholder(match[2])] if match[2] else f"{{{match[1]}}}", text
    )

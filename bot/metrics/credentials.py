"""The bot's own credentials at metrics providers, as references."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from bot.config.fields import matching

_PREFIX = "GREENROOM_SECRET_"

Credential = Annotated[
    str,
    matching(
        r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+", "expected a reference: `env:NAME` or `file:/absolute/path`"
    ),
]
"""`env:NAME` reads the variable GREENROOM_SECRET_NAME."""


def read_credential(reference: Credential, variables: Mapping[str, str]) -> str:
    """The value of a credential. Raises ValueError for one that is missing or empty."""
    scheme, _, name = reference.partition(":")
    if scheme == "env":
        value, place = variables.get(f"{_PREFIX}{name}", ""), f"the variable {_PREFIX}{name}"
    else:
        value, place = _content(Path(name)), f"the file {name}"
    if not value:
        raise ValueError(f"{place} with the bot's credential is empty or missing")
    return value


def _content(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""

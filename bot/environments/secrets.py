"""The secrets of an environment: read when they are needed, written into its namespace, told to nobody."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bot.environments.ports import SecretProvider
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.errors import Rejected
from bot.model.repository import Repository

HIDDEN = "[hidden]"
SHORTEST = 6
"""Hiding every occurrence of something shorter would make texts unreadable and hide nothing."""


@dataclass(frozen=True, slots=True)
class InjectedSecrets:
    """Variables for every container of an environment. Its values are in no text that it is turned into."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    digest: str = ""
    """Another one for other values; keyed, so that it tells nothing of them. "" without values."""

    def hide(self, text: str) -> str:
        """The text without the values, nor an end of one where the text was cut off."""
        return _hide(text, self.values.values())


async def read_secrets(
    providers: Mapping[str, SecretProvider],
    references: Mapping[str, str],
    repository: Repository,
    environment: EnvironmentKey,
    key: bytes,
) -> InjectedSecrets:
    """Raises Rejected, which names every reference that cannot be had, and no value."""
    if not references:
        return InjectedSecrets()
    names = sorted(references)
    found = await asyncio.gather(
        *(_value(providers, references[name], repository) for name in names), return_exceptions=True
    )
    values: dict[str, str] = {}
    refused: dict[str, str] = {}
    for name, value in zip(names, found, strict=True):
        if isinstance(value, Rejected):
            refused[name] = f"{_section_path(environment)}.secrets.{name}, {references[name]}: {value}."
        elif isinstance(value, BaseException):
            raise value
        else:
            values[name] = value
    if refused:
        told = ", ".join(f"`{name}`" for name in refused)
        raise Rejected(
            f"Nothing was started, as these secrets cannot be had: {told}. They are looked for every minute.",
            "\n".join(refused.values()),
        )
    content = json.dumps([str(environment), values], sort_keys=True)
    return InjectedSecrets(values, hmac.new(key, content.encode(), hashlib.sha256).hexdigest())


def _section_path(environment: EnvironmentKey) -> str:
    """Where its part of the configuration stands."""
    return {
        EnvironmentKind.PREVIEW: "preview",
        EnvironmentKind.STAGE: f"stages.{environment.name}",
        EnvironmentKind.DEMO: f"demo.{environment.name}",
    }[environment.kind]


async def _value(providers: Mapping[str, SecretProvider], reference: str, repository: Repository) -> str:
    scheme, _, path = reference.partition(":")
    provider = providers.get(scheme)
    if provider is None:
        raise Rejected(f"there is no provider {scheme!r}; there are {', '.join(sorted(providers)) or 'none'}")
    value = await provider.read(path, repository)
    if len(value) < SHORTEST:
        raise Rejected(f"it is shorter than {SHORTEST} characters and could not be kept out of logs")
    if "\0" in value:
        raise Rejected("its value is not text, so it cannot be an environment variable")
    return value


def _hide(text: str, values: Collection[str]) -> str:
    # A value of several lines may be logged line by line.
    lines = {line.strip() for value in values for line in value.splitlines()}
    parts = {part for part in {*values, *lines} if len(part) >= SHORTEST}
    if not parts or not text:
        return text
    ordered = sorted(parts, key=len, reverse=True)
    text = re.sub("|".join(map(re.escape, ordered)), HIDDEN, text)
    begun = max(_overlap(part, text) for part in parts)
    text = HIDDEN + text[begun:] if begun else text
    ended = max(_overlap(text, part) for part in parts)
    return text[: len(text) - ended] + HIDDEN if ended else text


def _overlap(left: str, right: str) -> int:
    """How many characters the end of `left` and the beginning of `right` have in common, if not by chance."""
    longest = min(len(left), len(right))
    return next((size for size in range(longest, SHORTEST - 1, -1) if left.endswith(right[:size])), 0)

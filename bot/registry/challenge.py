"""Parses `WWW-Authenticate` headers of registries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PARAMETER = re.compile(r'([A-Za-z_-]+)\s*=\s*(?:"([^"\\]*)"|([^\s,"]+))\s*(?:,\s*|$)')
_SCHEME = re.compile(r"\s*([A-Za-z]+)(?:\s+|\s*,\s*|$)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """The authentication that a registry requires; `scheme` is "bearer" or "basic"."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenge(header: str) -> Challenge | None:
    """The first supported challenge; None when there is none."""
    rest = header
    while match := _SCHEME.match(rest):
        rest = rest[match.end() :]
        values: dict[str, str] = {}
        while parameter := _PARAMETER.match(rest):
            values[parameter[1].lower()] = parameter[2] or parameter[3] or ""
            rest = rest[parameter.end() :]
        challenge = _challenge(match[1].lower(), values)
        if challenge:
            return challenge
        rest = rest.lstrip(", ")
    return None


def _challenge(scheme: str, values: Mapping[str, str]) -> Challenge | None:
    if scheme == "basic":
        return Challenge("basic")
    if scheme == "bearer" and values.get("realm"):
        return Challenge("bearer", values["realm"], values.get("service", ""), values.get("scope", ""))
    return None

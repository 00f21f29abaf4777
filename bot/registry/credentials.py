"""Credentials of registries from a Docker `config.json`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from bot.model.image_reference import DOCKER_HUB, DOCKER_HUB_API

_HUB_NAMES = (DOCKER_HUB, "index.docker.io", DOCKER_HUB_API)


class Credentials:
    """Authorization headers by registry; the repr contains no password."""

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        self._headers = dict(headers or {})

    @classmethod
    def from_docker_config(cls, text: str) -> Credentials:
        """Parses a `config.json`. Raises ValueError with a message that contains no secret."""
        try:
            config = json.loads(text)
        except ValueError:
            raise ValueError("the registry credentials are not JSON: provide a Docker config.json") from None
        if not isinstance(config, dict) or not isinstance(config.get("auths", {}), dict):
            raise ValueError("the registry credentials have no `auths`: provide a Docker config.json")
        if config.get("credHelpers") or config.get("credsStore"):
            raise ValueError(
                "the registry credentials use a credential helper, which Greenroom does not run: "
                "put user names and passwords into `auths`"
            )
        return cls({_registry(name): _header(name, entry) for name, entry in config.get("auths", {}).items()})

    def header(self, registry: str) -> str | None:
        """The Basic Authorization header for a registry (`docker.io`, `ghcr.io`, `host:5000`)."""
        return self._headers.get(registry)

    def __repr__(self) -> str:
        return f"Credentials({', '.join(sorted(self._headers))})"


def _registry(name: str) -> str:
    """The registry of a key such as `https://index.docker.io/v1/`."""
    host = name.removeprefix("https://").removeprefix("http://").partition("/")[0].lower()
    return DOCKER_HUB if host in _HUB_NAMES else host


def _header(name: str, entry: Any) -> str:
    if not isinstance(entry, dict):
        raise ValueError(f"the registry credentials for {name} are not an object")
    if entry.get("username") and entry.get("password"):
        pair = f"{entry['username']}:{entry['password']}".encode()
    else:
        try:
            pair = base64.b64decode(str(entry.get("auth", "")), validate=True)
        except binascii.Error:
            pair = b""
    if not pair.partition(b":")[2]:
        raise ValueError(
            f"the registry credentials for {name} have no user name and password: run `docker login {name}` "
            "with an access token and without a credential helper"
        )
    return f"Basic {base64.b64encode(pair).decode()}"

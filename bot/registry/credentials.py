"""Credentials of registries, from Docker's config.json or the auth.json of containers-auth.json(5)."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bot.clients.cache import VersionedCache
from bot.model.errors import Unavailable
from bot.model.image_reference import DOCKER_HUB, DOCKER_HUB_API, ImageReference
from bot.registry.credential_helper import ask_helper, find_helper

_HUB_NAMES = (DOCKER_HUB, "index.docker.io", DOCKER_HUB_API)
_IDENTITY_USER = "<token>"
"""The user name with which a helper marks its secret as an identity token."""
_HELPER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Login:
    """User name and password, for Basic authentication and for token services."""

    username: str
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class IdentityToken:
    """A refresh token of OAuth 2.0, for token services only."""

    token: str = field(repr=False)


Credential = Login | IdentityToken


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """The parsed file. Keys are `REGISTRY` or `REGISTRY/PATH`."""

    auths: Mapping[str, Credential] = field(default_factory=dict)
    helpers: Mapping[str, str] = field(default_factory=dict)
    """Programs by registry."""
    store: str | None = None
    """The program for registries without an entry."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError with a message that contains no secret."""
        try:
            config = json.loads(text)
        except ValueError:
            raise ValueError("the registry credentials are not JSON: provide a Docker config.json") from None
        if not isinstance(config, dict):
            raise ValueError("the registry credentials are not an object: provide a Docker config.json")
        if not config.keys() & {"auths", "credHelpers", "credsStore"}:
            raise ValueError("the registry credentials have neither `auths` nor a credential helper")
        auths, helpers = config.get("auths") or {}, config.get("credHelpers") or {}
        if not isinstance(auths, dict) or not isinstance(helpers, dict):
            raise ValueError("`auths` and `credHelpers` of the registry credentials must be objects")
        store = config.get("credsStore") or None
        return cls(
            {
                _key(name): credential
                for name, entry in auths.items()
                # `docker login` writes an empty entry for what it keeps in the credential store.
                if (credential := _credential(name, entry, required=not store)) is not None
            },
            {_key(name): find_helper(helper) for name, helper in helpers.items() if helper},
            find_helper(store) if store else None,
        )

    def entry(self, registry: str, repository: str) -> Credential | None:
        """The entry with the longest path that contains the repository."""
        path = f"{registry}/{repository}"
        while path not in self.auths and path != registry:
            path = path.rpartition("/")[0]
        return self.auths.get(path)


class Credentials:
    """Finds the credential for a repository: of a helper for its registry, of the file, of the store."""

    def __init__(self, config: DockerConfig | None = None, path: Path | None = None) -> None:
        self._config = config or DockerConfig()
        self._path = path
        self._read_state: tuple[int, ...] | None = None
        self._answers: VersionedCache[tuple[str, str] | None] = VersionedCache(1000)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Reads the file now, and again when it changes. Raises ValueError and OSError."""
        credentials = cls(path=path)
        credentials._reread(path)
        return credentials

    async def find(self, reference: ImageReference) -> Credential | None:
        """None for an anonymous request. Raises Unavailable when the file is invalid or a helper fails."""
        config = self._current()
        registry, repository = reference.registry, reference.repository
        if registry in config.helpers:
            return await self._ask(config.helpers[registry], registry)
        entry = config.entry(registry, repository)
        if entry is not None or config.store is None:
            return entry
        return await self._ask(config.store, registry)

    def forget(self, reference: ImageReference) -> None:
        """The registry rejected the credential: the next request asks the helper again."""
        self._answers.forget(reference.registry)

    async def _ask(self, program: str, registry: str) -> Credential | None:
        async def read() -> tuple[tuple[str, str] | None, float]:
            return await ask_helper(program, registry), _HELPER_SECONDS

        answer = await self._answers.get(registry, program, read)
        if answer is None:
            return None
        user, secret = answer
        return IdentityToken(secret) if user == _IDENTITY_USER else Login(user, secret)

    def _current(self) -> DockerConfig:
        if self._path is not None:
            try:
                self._reread(self._path)
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                raise Unavailable(f"GREENROOM_REGISTRY_CREDENTIALS is invalid: {reason}") from None
        return self._config

    def _reread(self, path: Path) -> None:
        stat = os.stat(path)
        state = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if state != self._read_state:
            self._config = DockerConfig.parse(path.read_text())
            self._read_state = state


def _key(name: str) -> str:
    """Registry and path of a key; a key with a scheme, such as `https://index.docker.io/v1/`, has no path."""
    plain = name.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, path = plain.partition("/")
    host = DOCKER_HUB if host.lower() in _HUB_NAMES else host.lower()
    return f"{host}/{path}" if path and plain == name.rstrip("/") else host


def _credential(name: str, entry: Any, *, required: bool) -> Credential | None:
    if not isinstance(entry, dict):
        raise ValueError(f"the registry credentials for {name} are not an object")
    if entry.get("identitytoken"):
        return IdentityToken(str(entry["identitytoken"]))
    if entry.get("username") and entry.get("password"):
        return Login(str(entry["username"]), str(entry["password"]))
    try:
        pair = base64.b64decode(str(entry.get("auth", "")), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        pair = ""
    user, _, password = pair.partition(":")
    if password:
        return Login(user, password.rstrip("\0"))
    if required or entry.get("auth"):
        raise ValueError(
            f"the registry credentials for {name} have no user name and password: run `docker login {name}` "
            "with an access token"
        )
    return None

"""Secrets from the key-value engines of HashiCorp Vault and OpenBao."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cachetools import TTLCache

from bot.model.errors import Rejected
from bot.model.repository import Repository
from bot.model.secret import SecretValue
from bot.secrets.json_values import text_of
from bot.secrets.provider_file import Grants, may_read
from bot.secrets.vault_client import VaultClient

_PATH = re.compile(r"([A-Za-z0-9._-]+(?:/[\w.@:+=~,-]+)+)#([^#@\s]{1,256})(?:@([0-9]{1,9}))?")
_MOUNT_SECONDS = 300
_MOUNTS = 256


class VaultSecrets:
    """`vault:MOUNT/PATH#KEY[@VERSION]` reads a key of a secret, of the latest version without VERSION."""

    def __init__(self, client: VaultClient, grants: Grants) -> None:
        self._client = client
        self._grants = grants
        self._mounts: TTLCache[str, tuple[str, bool]] = TTLCache(_MOUNTS, _MOUNT_SECONDS)

    async def read(self, path: str, repository: Repository) -> SecretValue:
        match = _PATH.fullmatch(path)
        if match is None or {".", ".."} & set(path.partition("#")[0].split("/")):
            raise Rejected("the reference after `vault:` must be MOUNT/PATH#KEY or MOUNT/PATH#KEY@VERSION")
        secret, key, version = match.groups()
        if not may_read(self._grants, secret, repository):
            raise Rejected(_absent(secret, key, repository))
        content, current = await self._content(secret, version)
        value = (content or {}).get(key)
        if value is None:
            raise Rejected(_absent(secret, key, repository, version))
        return SecretValue(text_of(value), current, pinned=version is not None)

    async def _content(self, secret: str, version: str | None) -> tuple[Mapping[str, Any] | None, str]:
        """The keys and values, and the version that has them."""
        mount, versioned = await self._mount(secret)
        rest = secret[len(mount) :].strip("/")
        if versioned:
            parameters = {"version": version} if version else {}
            data = await self._client.read(f"{mount}/data/{rest}", parameters)
            content, about = (data or {}).get("data"), (data or {}).get("metadata")
            current = about.get("version") if isinstance(about, Mapping) else ""
            return content if isinstance(content, Mapping) else None, str(current or "")
        if version:
            raise Rejected(f"the engine at {mount} keeps no versions, so @{version} cannot be read")
        return await self._client.read(secret), ""

    async def _mount(self, secret: str) -> tuple[str, bool]:
        """The path of the secret's engine, and whether it is version 2, which keeps versions."""
        folder = secret.rpartition("/")[0]
        if folder not in self._mounts:
            # What the `vault kv` command asks. It needs no right besides the one on the secret.
            data = await self._client.read(f"sys/internal/ui/mounts/{secret}") or {}
            mount = str(data.get("path") or "").strip("/")
            if data.get("type") != "kv" or not mount or not f"{secret}/".startswith(f"{mount}/"):
                raise Rejected(f"{secret} is not in a key-value engine of Vault")
            options = data.get("options")
            self._mounts[folder] = mount, isinstance(options, Mapping) and options.get("version") == "2"
        return self._mounts[folder]


def _absent(secret: str, key: str, repository: Repository, version: str | None = None) -> str:
    """One sentence for all causes, so that it does not show which secrets exist."""
    which = f" in version {version}" if version else ""
    return (
        f"Vault has no key {key}{which} at {secret}, "
        f"or the operator's grants do not include it for {repository.full_name}"
    )

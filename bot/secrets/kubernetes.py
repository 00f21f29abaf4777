"""Values from Kubernetes Secrets in namespaces that the operator allows, for the repositories they name."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from bot.model.errors import Rejected
from bot.model.repository import Repository
from bot.secrets.grants import granted

REPOSITORIES = "greenroom.dev/repositories"
"""Annotation of a Secret: which repositories may use it."""

ReadSecret = Callable[[str, str], Awaitable[Mapping[str, Any] | None]]
"""Namespace and name to the Secret as the API has it; raises TryAgain when it does not answer."""

_PATH = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/([a-z0-9][a-z0-9.-]{0,252})#([A-Za-z0-9._-]{1,253})")


class KubernetesSecrets:
    """`kubernetes:NAMESPACE/NAME#KEY`."""

    def __init__(self, read: ReadSecret, namespaces: Collection[str]) -> None:
        self._read = read
        self._namespaces = frozenset(namespaces)

    async def read(self, path: str, repository: Repository) -> str:
        match = _PATH.fullmatch(path)
        if match is None:
            raise Rejected("what follows `kubernetes:` has to be NAMESPACE/NAME#KEY")
        namespace, name, key = match.groups()
        if namespace not in self._namespaces:
            raise Rejected(f"GREENROOM_SECRETS_NAMESPACES does not name the namespace {namespace}")
        secret = await self._read(namespace, name) or {}
        annotations = (secret.get("metadata") or {}).get("annotations") or {}
        encoded = (secret.get("data") or {}).get(key)
        if encoded is None or not granted(str(annotations.get(REPOSITORIES, "")), repository):
            raise Rejected(
                f"there is no Secret {namespace}/{name} with the key {key}, or its annotation {REPOSITORIES} "
                f"does not name {repository.full_name}"
            )
        try:
            return base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Rejected("its value is not text, so it cannot be an environment variable") from None

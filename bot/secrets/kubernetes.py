"""Secrets from Kubernetes Secrets in namespaces that the operator allows."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from bot.model.errors import Rejected
from bot.model.repository import Repository
from bot.model.secret import SecretValue
from bot.secrets.grants import granted

REPOSITORIES = "greenroom.dev/repositories"
"""Annotation of a Secret: the repositories that may use it."""

ReadSecret = Callable[[str, str], Awaitable[Mapping[str, Any] | None]]
"""Reads a Secret by namespace and name; None when absent. Raises Unavailable."""

_PATH = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/([a-z0-9][a-z0-9.-]{0,252})#([A-Za-z0-9._-]{1,253})")


class KubernetesSecrets:
    """`kubernetes:NAMESPACE/NAME#KEY` reads a key of a Secret."""

    def __init__(self, read: ReadSecret, namespaces: Collection[str]) -> None:
        self._read = read
        self._namespaces = frozenset(namespaces)

    async def read(self, path: str, repository: Repository) -> SecretValue:
        match = _PATH.fullmatch(path)
        if match is None:
            raise Rejected("the reference after `kubernetes:` must be NAMESPACE/NAME#KEY")
        namespace, name, key = match.groups()
        if namespace not in self._namespaces:
            raise Rejected(f"GREENROOM_SECRETS_NAMESPACES does not contain the namespace {namespace}")
        secret = await self._read(namespace, name) or {}
        metadata = secret.get("metadata") or {}
        annotations = metadata.get("annotations") or {}
        encoded = (secret.get("data") or {}).get(key)
        if encoded is None or not granted(str(annotations.get(REPOSITORIES, "")), repository):
            raise Rejected(
                f"the Secret {namespace}/{name} does not exist or has no key {key}, "
                f"or its annotation {REPOSITORIES} does not contain {repository.full_name}"
            )
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Rejected(
                "the value is not UTF-8 text, so it cannot be an environment variable: encode it, for "
                "example as base64"
            ) from None
        return SecretValue(text, str(metadata.get("resourceVersion") or ""))

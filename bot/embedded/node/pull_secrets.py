"""A user and password for a registry, from a pod's `imagePullSecrets`. Pure."""

import base64
import binascii
import json
from collections.abc import Iterable

from bot.embedded.client import Object


def credentials(secrets: Iterable[Object], registry: str) -> tuple[str, str] | None:
    """From the first secret of type `kubernetes.io/dockerconfigjson` that names the registry."""
    for secret in secrets:
        try:
            config = json.loads(base64.b64decode((secret.get("data") or {})[".dockerconfigjson"]))
            entry = config["auths"][registry]
            if "auth" in entry:
                user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
                return user, password
            return str(entry["username"]), str(entry["password"])
        except (KeyError, TypeError, ValueError, binascii.Error):
            continue
    return None

"""Which values a finding shows: numbers, and texts of fields that cannot contain a secret. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot.infrastructure.drift.fields import MISSING, Path

LONGEST = 200
_HIDDEN_BELOW = frozenset(("annotations", "args", "binaryData", "command", "data", "env", "stringData"))
"""Values below these fields are never shown, whatever their type."""
_SHOWN = frozenset(
    (
        "apiGroups",
        "claimName",
        "clusterIP",
        "concurrencyPolicy",
        "cpu",
        "drop",
        "effect",
        "ephemeral-storage",
        "hostnames",
        "image",
        "imagePullPolicy",
        "kind",
        "labels",
        "matchLabels",
        "maxUnavailable",
        "memory",
        "minAvailable",
        "name",
        "namespace",
        "nodeSelector",
        "path",
        "pathType",
        "policyTypes",
        "port",
        "ports",
        "protocol",
        "resources",
        "resourceNames",
        "restartPolicy",
        "schedule",
        "selector",
        "serviceAccountName",
        "storage",
        "storageClassName",
        "targetPort",
        "type",
        "verbs",
    )
)
"""Fields whose texts are names, quantities, schedules or addresses."""
_SHOWN_BELOW = frozenset(("hard", "labels", "matchLabels", "nodeSelector", "requests", "limits", "selector"))
"""Mappings whose keys users choose, and whose values are names or quantities."""
_HIDDEN_KINDS = frozenset(("Secret",))


def shown(kind: str, path: Path, value: Any) -> str:
    """The value as short JSON; "" if there is none or it may contain a secret."""
    if value is MISSING or value is None or kind in _HIDDEN_KINDS or _HIDDEN_BELOW & set(path):
        return ""
    if not _is_harmless(value, path):
        return ""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _is_harmless(value: Any, path: Path) -> bool:
    if isinstance(value, bool | int | float):
        return True
    if isinstance(value, str):
        return bool(path) and (path[-1] in _SHOWN or bool(_SHOWN_BELOW & set(path[:-1])))
    if isinstance(value, list):
        return all(_is_harmless(item, path) for item in value)
    if isinstance(value, Mapping):
        return all(
            name not in _HIDDEN_BELOW and _is_harmless(item, (*path, str(name)))
            for name, item in value.items()
        )
    return value is None

"""Files of the repository for the seed, in ConfigMaps that are mounted read-only with their paths."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from bot.cluster.client.kinds import CONFIG_MAP
from bot.cluster.names import OWN_NAME, content_name
from bot.model.errors import ManifestRefused

Object = dict[str, Any]
Files = Mapping[str, bytes]

FOLDER = "/greenroom/files"
VARIABLE = "GREENROOM_FILES"
"""Environment variable of the seed with the path of FOLDER."""

MAX_FILE = 512 * 1024
"""Bytes of a file and of one ConfigMap: Kubernetes allows 1 MiB, and base64 adds a third."""
MAX_TOTAL = 2 * 2**20
MAX_FILES = 200
_VOLUME = f"{OWN_NAME}-files"


def config_maps(files: Files) -> list[Object]:
    """The fewest ConfigMaps for the files, named by content. Raises ManifestRefused above the limits."""
    _check(files)
    return [
        {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.name,
            "metadata": {"name": _name(part)},
            "immutable": True,
            "binaryData": {key: base64.b64encode(part[path]).decode() for key, path in _keys(part)},
        }
        for part in _parts(files)
    ]


def mount(pod: Object, files: Files) -> None:
    """Mounts the files into the only container of a pod."""
    if not files:
        return
    sources = [
        {
            "configMap": {
                "name": _name(part),
                "items": [{"key": key, "path": path} for key, path in _keys(part)],
            }
        }
        for part in _parts(files)
    ]
    pod["volumes"] = [{"name": _VOLUME, "projected": {"sources": sources}}]
    [container] = pod["containers"]
    container["volumeMounts"] = [{"name": _VOLUME, "mountPath": FOLDER, "readOnly": True}]
    others = [variable for variable in container.get("env") or [] if variable.get("name") != VARIABLE]
    container["env"] = [*others, {"name": VARIABLE, "value": FOLDER}]


def _check(files: Files) -> None:
    advice = "Put larger files into the image."
    for path, content in sorted(files.items()):
        if len(content) > MAX_FILE:
            size = f"{len(content) / 1024:.0f} KiB"
            raise _refused(f"{path} has {size}; the limit is {MAX_FILE // 1024} KiB per file. {advice}")
    total = sum(len(content) for content in files.values())
    if total > MAX_TOTAL:
        size = f"{total / 2**20:.1f} MiB"
        raise _refused(f"the files have {size} in total; the limit is {MAX_TOTAL // 2**20} MiB. {advice}")
    if len(files) > MAX_FILES:
        raise _refused(f"{len(files)} files match; the limit is {MAX_FILES}. {advice}")


def _refused(reason: str) -> ManifestRefused:
    return ManifestRefused(f".greenroom.yml, data.seed.files: {reason}")


def _parts(files: Files) -> list[dict[str, bytes]]:
    parts: list[dict[str, bytes]] = []
    room = -1
    for path, content in sorted(files.items()):
        if len(content) > room:
            parts.append({})
            room = MAX_FILE
        parts[-1][path] = content
        room -= len(content)
    return parts


def _keys(part: Files) -> list[tuple[str, str]]:
    """Key and path of each file; keys are numbered, because they cannot contain slashes."""
    return [(f"file-{number}", path) for number, path in enumerate(part)]


def _name(part: Files) -> str:
    content = [(path, hashlib.sha256(content).hexdigest()) for path, content in part.items()]
    return content_name(f"{OWN_NAME}-seed-files", content)

"""Files of the repository for the seed: ConfigMaps, mounted read-only as the folders that they were."""

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
"""Tells the seed where they are."""

LARGEST_FILE = 512 * 1024
"""Also of one ConfigMap: Kubernetes takes a megabyte, and as text a byte takes four thirds."""
LARGEST_TOGETHER = 2 * 2**20
MOST_FILES = 200
_VOLUME = f"{OWN_NAME}-files"


def config_maps(files: Files) -> list[Object]:
    """As few as take the files, named by their content; ManifestRefused above the limits."""
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
    """Gives the only container of a pod these files."""
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
    others = [each for each in container.get("env") or [] if each.get("name") != VARIABLE]
    container["env"] = [*others, {"name": VARIABLE, "value": FOLDER}]


def _check(files: Files) -> None:
    advice = "Put what is larger into the image."
    for path, content in sorted(files.items()):
        if len(content) > LARGEST_FILE:
            size = f"{len(content) / 1024:.0f} KiB"
            raise _refused(f"{path} has {size}, and a file may have {LARGEST_FILE // 1024} KiB. {advice}")
    together = sum(len(content) for content in files.values())
    if together > LARGEST_TOGETHER:
        size = f"{together / 2**20:.1f} MiB"
        raise _refused(f"they have {size} together, and may have {LARGEST_TOGETHER // 2**20} MiB. {advice}")
    if len(files) > MOST_FILES:
        raise _refused(f"they are {len(files)} files, and may be {MOST_FILES}. {advice}")


def _refused(why: str) -> ManifestRefused:
    return ManifestRefused(f".greenroom.yml, data.seed.files: {why}")


def _parts(files: Files) -> list[dict[str, bytes]]:
    parts: list[dict[str, bytes]] = []
    room = -1
    for path, content in sorted(files.items()):
        if len(content) > room:
            parts.append({})
            room = LARGEST_FILE
        parts[-1][path] = content
        room -= len(content)
    return parts


def _keys(part: Files) -> list[tuple[str, str]]:
    """Key and path of each file: a key has no slashes, so they are numbered."""
    return [(f"file-{number}", path) for number, path in enumerate(part)]


def _name(part: Files) -> str:
    content = [(path, hashlib.sha256(content).hexdigest()) for path, content in part.items()]
    return content_name(f"{OWN_NAME}-seed-files", content)

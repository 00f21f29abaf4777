"""Folders and files of nodes that pods mount although they work without their node's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bot.cluster.guard.check import field_text
from bot.cluster.manifests import Source
from bot.cluster.pod_templates import CONTAINERS, POD_TEMPLATES
from bot.cluster.render.transforms.base import Context, Object, items, mapping, subject, text
from bot.model.notes import Effect, Note

_HOST_PATH = "hostPath"
_TEMPLATES = {**POD_TEMPLATES, "DaemonSet": ("spec", "template")}
_ZONE = "the time zone is that of the image; set `TZ` for another one"
_OWN = "the pod has an empty folder of its own in place of the folder of its node"
_LEFT_OUT = frozenset(("/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"))
_REPLACED: Mapping[str, Object] = {
    "/dev/shm": {"medium": "Memory"},  # noqa: S108
    "/tmp": {},  # noqa: S108
    "/run/datadog": {},
    "/var/run/datadog": {},
}
"""The volumes in place of folders. Clients of an agent whose socket is absent go on without it."""


def replace_node_files(sources: Sequence[Source], _: Context) -> tuple[list[Source], list[Note]]:
    """Leaves out mounts of the node's time zone; replaces `/tmp`, `/dev/shm` and sockets of agents."""
    notes: list[Note] = []
    for source in sources:
        if (path := _TEMPLATES.get(source.manifest["kind"])) is None:
            continue
        pod = mapping(source.manifest, *path, "spec")
        left_out: list[str] = []
        for index, volume, folder in _node_volumes(pod):
            field = f"{field_text((*path, 'spec', 'volumes', index))}.{_HOST_PATH}"
            if folder in _LEFT_OUT:
                left_out.append(text(volume.get("name")))
                notes.append(Note(Effect.LEFT_OUT, subject(source), _ZONE, field))
            else:
                del volume[_HOST_PATH]
                volume["emptyDir"] = dict(_REPLACED[folder])
                notes.append(Note(Effect.REWRITTEN, subject(source), _OWN, field, "emptyDir"))
        if left_out:
            _remove(pod, left_out)
    return list(sources), notes


def _node_volumes(pod: Object) -> Iterator[tuple[int, Object, str]]:
    """Index, volume and path of each volume that is left out or replaced."""
    for index, volume in enumerate(map(mapping, items(pod.get("volumes")))):
        folder = text(mapping(volume, _HOST_PATH).get("path")).rstrip("/")
        if volume.keys() == {"name", _HOST_PATH} and (folder in _LEFT_OUT or folder in _REPLACED):
            yield index, volume, folder


def _remove(pod: Object, names: Sequence[str]) -> None:
    """Removes volumes of the node with their mounts."""
    pod["volumes"] = [volume for volume in pod["volumes"] if not _is_node_volume(volume, names)]
    for container in (mapping(container) for group in CONTAINERS for container in items(pod.get(group))):
        if mounts := items(container.get("volumeMounts")):
            container["volumeMounts"] = [mount for mount in mounts if mapping(mount).get("name") not in names]


def _is_node_volume(volume: object, names: Sequence[str]) -> bool:
    return _HOST_PATH in mapping(volume) and mapping(volume).get("name") in names

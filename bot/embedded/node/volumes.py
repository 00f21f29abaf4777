"""A pod's volumes as folders of this machine."""

import base64
import shutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from bot.cluster.client.api import Object
from bot.embedded.node.environment import ConfigError, Source, expand, field

TOKEN = "TokenRequest"  # noqa: S105, no secret
"""The kind of a token that the pod's spec asks for. No pod gets one without that."""
Fetch = Callable[[Source], Awaitable[Object | None]]
"""Reads an object of the pod's namespace: `ConfigMap`, `Secret` or `PersistentVolumeClaim`, and its name.

For a token, the name is the account's, a slash and the audience.
"""


class VolumeError(Exception):
    """A volume cannot be prepared (yet); `volume` is its name."""

    def __init__(self, volume: str, problem: str) -> None:
        super().__init__(problem)
        self.volume = volume


async def prepare(pod: Object, folder: Path, claims: Path, pod_ip: str, fetch: Fetch) -> dict[str, Path]:
    """Make every volume of a pod; the host folder of each by name. `claims` has one for each claim uid."""
    fields: dict[str, Path] = {}
    for volume in pod["spec"].get("volumes") or []:
        name = volume["name"]
        try:
            if claim := volume.get("persistentVolumeClaim"):
                fields[name] = await _claimed(claim["claimName"], claims, fetch)
                continue
            fields[name] = folder / name
            if "emptyDir" in volume:
                fields[name].mkdir(parents=True, exist_ok=True)
            else:
                await _write_files(pod, volume, fields[name], pod_ip, fetch)
        except ConfigError as error:
            raise VolumeError(name, str(error)) from None
    return fields


def mounts(container: Object, volumes: Mapping[str, Path], env: Mapping[str, str]) -> dict[str, Path]:
    """Host folder (or file) of each mount path. `ConfigError` for a sub-path outside of its volume."""
    fields: dict[str, Path] = {}
    for mount in container.get("volumeMounts") or []:
        target = volumes[mount["name"]]
        inside = mount.get("subPath") or expand(mount.get("subPathExpr") or "", env)
        if inside:
            if PurePosixPath(inside).is_absolute() or ".." in PurePosixPath(inside).parts:
                raise ConfigError(f"subPath {inside} of volume {mount['name']} leaves the volume")
            target = target / inside
            if not target.exists():
                target.mkdir(parents=True)
        fields[mount["mountPath"].rstrip("/") or "/"] = target
    return fields


async def _claimed(name: str, claims: Path, fetch: Fetch) -> Path:
    claim = await fetch(("PersistentVolumeClaim", name))
    if claim is None:
        raise ConfigError(f'persistentvolumeclaim "{name}" not found')
    if (claim.get("status") or {}).get("phase") != "Bound":
        raise ConfigError(f'persistentvolumeclaim "{name}" is not bound')
    place = claims / str(claim["metadata"]["uid"])
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


async def _write_files(pod: Object, volume: Object, place: Path, pod_ip: str, fetch: Fetch) -> None:
    files: dict[str, bytes] = {}
    for source in _sources(volume):
        files.update(await _files(pod, source, pod_ip, fetch))
    _fill(place, files)


def _fill(place: Path, files: Mapping[str, bytes]) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True)
    for name, content in files.items():
        path = place / name
        if not path.resolve().is_relative_to(place.resolve()):
            raise ConfigError(f"{name} leaves the volume")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _sources(volume: Object) -> Iterator[Object]:
    """The content of a volume, in the form of a projected volume's sources."""
    if secret := volume.get("secret"):
        yield {"secret": {**secret, "name": secret["secretName"]}}
    elif "projected" in volume:
        yield from volume["projected"].get("sources") or []
    elif "configMap" in volume or "downwardAPI" in volume:
        yield volume
    else:
        kind = next((key for key in volume if key != "name"), "none")
        raise ConfigError(f"volumes of type {kind} are not supported by this node")


async def _files(pod: Object, source: Object, pod_ip: str, fetch: Fetch) -> dict[str, bytes]:
    if downward := source.get("downwardAPI"):
        items = downward.get("items") or []
        return {i["path"]: field(pod, i["fieldRef"]["fieldPath"], pod_ip).encode() for i in items}
    for kind, key in (("ConfigMap", "configMap"), ("Secret", "secret")):
        if reference := source.get(key):
            item = await fetch((kind, reference["name"]))
            return _chosen(kind, reference, item)
    if token := source.get("serviceAccountToken"):
        account = pod["spec"].get("serviceAccountName") or "default"
        issued = await fetch((TOKEN, f"{account}/{token.get('audience') or ''}"))
        return {token["path"]: str(issued["status"]["token"]).encode()} if issued else {}
    return {}


def _chosen(kind: str, reference: Object, item: Object | None) -> dict[str, bytes]:
    if item is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    plain = {} if kind == "Secret" else item.get("data") or {}
    encoded = (item.get("data") if kind == "Secret" else item.get("binaryData")) or {}
    content = {key: value.encode() for key, value in plain.items()}
    content.update({key: base64.b64decode(value) for key, value in encoded.items()})
    if not reference.get("items"):
        return content
    chosen = {}
    for entry in reference["items"]:
        if entry["key"] in content:
            chosen[entry["path"]] = content[entry["key"]]
        elif not reference.get("optional"):
            raise ConfigError(f"references non-existent {kind.lower()} key: {entry['key']}")
    return chosen

"""The CI of the embedded registry: builds the image of a commit once, reproducibly."""

import asyncio
import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from bot.embedded.registry import dockerfile
from bot.embedded.registry.layout import CONFIG, INDEX, LAYER, MANIFEST, Descriptor, Layout


class BuildError(Exception):
    """The image cannot be built; the message is what CI would print."""


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BaseLayer:
    """The root file system that `FROM` refers to, from a tar archive."""

    def __init__(self, archive: bytes) -> None:
        self.blob = gzip.compress(archive, compresslevel=1, mtime=0)
        self.diff_id = _digest(archive)


class Builder:
    """Builds images into the layouts below `root`. `delay` is how long a build takes, in seconds.

    Without `base`, images contain only their own files, and the embedded node runs them with its own Python.
    """

    def __init__(self, root: Path, delay: float = 0.0, base: BaseLayer | None = None) -> None:
        self._root = root
        self._lock = asyncio.Lock()
        self._base = base
        self.delay = delay

    async def build(
        self, name: str, tag: str, files: Mapping[str, bytes], platforms: Sequence[str] = ("linux/amd64",)
    ) -> str:
        """Build `name:tag` from a commit's files by their Dockerfile; returns the digest.

        A tag that exists is not built again. Several platforms ("linux/arm64") give an index. Equal files
        give an equal digest. Raises BuildError, and then there is no such tag.
        """
        await asyncio.sleep(self.delay)
        async with self._lock:
            return await asyncio.to_thread(
                _build, Layout(self._root, name), tag, files, platforms, self._base
            )


def _build(
    layout: Layout, tag: str, files: Mapping[str, bytes], platforms: Sequence[str], base: BaseLayer | None
) -> str:
    built = layout.resolve(tag)
    if built:
        return built.digest
    if "Dockerfile" not in files:
        raise BuildError("failed to read dockerfile: open Dockerfile: no such file or directory")
    try:
        recipe = dockerfile.read(files["Dockerfile"].decode(), files)
    except (dockerfile.DockerfileError, UnicodeDecodeError) as error:
        raise BuildError(str(error)) from None
    archive = layer(recipe.files)
    layers = [(layout.put(LAYER, gzip.compress(archive, mtime=0)), _digest(archive))]
    if base is not None:
        layers.insert(0, (layout.put(LAYER, base.blob), base.diff_id))
        recipe.environment.setdefault("PATH", _PATH)
    manifests = {platform: manifest_of(layout, recipe, platform, layers) for platform in platforms}
    image = next(iter(manifests.values())) if len(manifests) == 1 else _index(layout, manifests)
    layout.tag(image, tag)
    return image.digest


def layer(files: Mapping[str, bytes]) -> bytes:
    """A tar archive of `files`: sorted, without times and owners, so that equal files give equal bytes."""
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(folders | files.keys()):
            entry = tarfile.TarInfo(path)
            if path in files:
                entry.mode, entry.size = 0o644, len(files[path])
                archive.addfile(entry, io.BytesIO(files[path]))
            else:
                entry.mode, entry.type = 0o755, tarfile.DIRTYPE
                archive.addfile(entry)
    return buffer.getvalue()


def manifest_of(
    layout: Layout, recipe: dockerfile.Recipe, platform: str, layers: Sequence[tuple[Descriptor, str]]
) -> Descriptor:
    system, architecture = platform.split("/")[:2]
    settings = {
        "Env": [f"{name}={value}" for name, value in recipe.environment.items()],
        "WorkingDir": recipe.working_directory,
        "User": recipe.user,
        "ExposedPorts": {port if "/" in port else f"{port}/tcp": {} for port in recipe.ports},
        "Entrypoint": recipe.entrypoint,
        "Cmd": recipe.command,
    }
    config = {
        "os": system,
        "architecture": architecture,
        "config": {name: value for name, value in settings.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.put_json(CONFIG, config).as_json(),
        "layers": [blob.as_json() for blob, _ in layers],
    }
    return layout.put_json(MANIFEST, manifest)


def _index(layout: Layout, manifests: Mapping[str, Descriptor]) -> Descriptor:
    entries = []
    for platform, manifest in manifests.items():
        system, architecture = platform.split("/")[:2]
        entries.append(manifest.as_json(platform={"os": system, "architecture": architecture}))
    return layout.put_json(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"

"""The images of a node: pulled and unpacked once per digest, kept in a private folder."""

import asyncio
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bot.embedded.node.distribution import Distribution, Manifest, PullError, repository_name
from bot.embedded.node.layers import LayerError, unpack
from bot.model.image_reference import ImageReference


@dataclass(frozen=True, slots=True)
class Image:
    """An unpacked image. `identity` is what a pod's status shows as image ID."""

    identity: str
    root: Path
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    working_dir: str = "/"
    user: str = ""
    size: int = 0


class Images:
    """Pulls images. Two pods that want the same one at once share the pull."""

    def __init__(self, folder: Path, http: httpx.AsyncClient) -> None:
        self._folder = folder
        self._http = http
        self._digests: dict[str, str] = {}
        """Which digest a name and tag had when they were last pulled."""
        self._locks: dict[str, asyncio.Lock] = {}
        self._names: dict[str, set[str]] = {}
        """Repository and digest of each reference that was used for an image, by its config's digest."""

    def present(self, reference: ImageReference) -> Image | None:
        """The image, if it is here already."""
        digest = reference.digest or self._digests.get(f"{repository_name(reference)}:{reference.tag}")
        return self._load(reference, digest) if digest else None

    async def pull(self, reference: ImageReference, credentials: tuple[str, str] | None = None) -> Image:
        """Ask the registry which digest it is and fetch that if it is not here. Raises `PullError`."""
        registry = Distribution(self._http, reference, credentials)
        manifest = await registry.manifest()
        async with self._locks.setdefault(manifest.digest, asyncio.Lock()):
            image = self._load(reference, manifest.digest)
            if image is None:
                await self._fetch(registry, manifest)
                image = self._load(reference, manifest.digest)
        if image is None:
            raise PullError("the image vanished from this node while it was unpacked")
        self._digests[f"{repository_name(reference)}:{reference.tag}"] = manifest.digest
        return image

    def _place(self, digest: str) -> Path:
        return self._folder / digest.removeprefix("sha256:")

    def _load(self, reference: ImageReference, digest: str) -> Image | None:
        place = self._place(digest)
        try:
            config = json.loads((place / "image.json").read_text())
        except FileNotFoundError:
            return None
        names = self._names.setdefault(config["digest"], set())
        names.add(f"{repository_name(reference)}@{digest}")
        return Image(
            identity=min(names),  # containerd reports the first of all names of the image
            root=place / "root",
            entrypoint=tuple(config.get("Entrypoint") or ()),
            command=tuple(config.get("Cmd") or ()),
            env=tuple(_pair(entry) for entry in config.get("Env") or ()),
            working_dir=config.get("WorkingDir") or "/",
            user=config.get("User") or "",
            size=config["size"],
        )

    async def _fetch(self, registry: Distribution, manifest: Manifest) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=self._folder, prefix="."))
        try:
            names = [manifest.config, *manifest.layers]
            blobs = [scratch / f"blob-{number}" for number in range(len(names))]
            await asyncio.gather(*(registry.blob(*pair) for pair in zip(names, blobs, strict=True)))
            place = self._place(manifest.digest)
            await asyncio.to_thread(_assemble, scratch, manifest.config, blobs[0], blobs[1:], place)
        except (LayerError, OSError) as error:
            raise PullError(str(error)) from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _assemble(scratch: Path, digest: str, config: Path, layers: list[Path], place: Path) -> None:
    root = scratch / "root"
    root.mkdir()
    size = sum(unpack(layer, root) for layer in layers)
    try:
        settings: dict[str, Any] = json.loads(config.read_bytes()).get("config") or {}
    except (ValueError, AttributeError):
        raise LayerError("the image's config is not a JSON object") from None
    (scratch / "image.json").write_text(json.dumps({**settings, "size": size, "digest": digest}))
    for blob in (config, *layers):
        blob.unlink()
    scratch.rename(place)  # from now on the image is there


def _pair(entry: str) -> tuple[str, str]:
    name, _, value = entry.partition("=")
    return name, value

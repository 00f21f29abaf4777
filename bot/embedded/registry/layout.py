"""One repository of images as an OCI image layout: content-addressed blobs and an index with tags."""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
TAG_ANNOTATION = "org.opencontainers.image.ref.name"

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")


@dataclass(frozen=True)
class Descriptor:
    """A reference to a blob."""

    media_type: str
    digest: str
    size: int

    def as_json(self, **more: object) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size, **more}


class Layout:
    """The image layout of the repository `name` below `root`; made when something is first written."""

    def __init__(self, root: Path, name: str) -> None:
        if not REPOSITORY.fullmatch(name):
            raise ValueError(f"not a repository name: {name!r}")
        self._folder = root / name

    @property
    def exists(self) -> bool:
        return (self._folder / "index.json").is_file()

    def put(self, media_type: str, content: bytes) -> Descriptor:
        """Store a blob under the SHA-256 of its content."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._folder / "blobs" / "sha256" / digest
        if not path.exists():
            _replace(path, content)
        return Descriptor(media_type, f"sha256:{digest}", len(content))

    def put_json(self, media_type: str, value: Mapping[str, object]) -> Descriptor:
        """Store a JSON document; equal values give equal digests."""
        return self.put(media_type, json.dumps(value, sort_keys=True, separators=(",", ":")).encode())

    def tag(self, descriptor: Descriptor, tag: str) -> None:
        """Let `tag` point at a manifest or index."""
        entries = [entry for entry in self._entries() if _tag_of(entry) != tag]
        entries.append(descriptor.as_json(annotations={TAG_ANNOTATION: tag}))
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        _replace(self._folder / "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        _replace(self._folder / "index.json", json.dumps(index, indent=1).encode())

    def tags(self) -> list[str]:
        """All tags in order."""
        return sorted(_tag_of(entry) for entry in self._entries())

    def resolve(self, reference: str) -> Descriptor | None:
        """The manifest or index behind a tag or digest; None when there is none."""
        for entry in self._entries():
            if reference == _tag_of(entry):
                return Descriptor(entry["mediaType"], entry["digest"], entry["size"])
        path = self.blob(reference)
        content = path.read_bytes() if path else b""
        media_type = _media_type(content)
        return Descriptor(media_type, reference, len(content)) if media_type else None

    def blob(self, digest: str) -> Path | None:
        """The file of a blob; None when there is none."""
        path = self._folder / "blobs" / digest.replace(":", "/")
        return path if DIGEST.fullmatch(digest) and path.is_file() else None

    def _entries(self) -> list[dict[str, Any]]:
        path = self._folder / "index.json"
        entries: list[dict[str, Any]] = json.loads(path.read_bytes())["manifests"] if path.is_file() else []
        return entries


def _tag_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("annotations", {}).get(TAG_ANNOTATION, ""))


def _media_type(content: bytes) -> str | None:
    """The media type that a manifest or index declares; None for any other blob."""
    if not content.startswith(b"{"):
        return None
    declared = json.loads(content).get("mediaType")
    return declared if declared in (MANIFEST, INDEX) else None


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    temporary.write_bytes(content)
    os.replace(temporary, path)

"""The registry of the node: the CNCF's distribution, from which containerd pulls by digest."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bot.embedded.registry.layout import INDEX, Layout

_SECONDS = 120


@dataclass(frozen=True)
class NodeRegistry:
    """Pushes images as `docker push` does. `authority` is the certificate authority of `host`."""

    host: str
    authority: Path

    async def push(self, name: str, layout: Layout, tag: str) -> None:
        """Pushes what `tag` of a layout refers to. Raises httpx.HTTPError."""
        await asyncio.to_thread(self._push, name, layout, tag)

    def _push(self, name: str, layout: Layout, tag: str) -> None:
        trust = ssl.create_default_context(cafile=str(self.authority))
        base = f"https://{self.host}/v2/{name}/"
        with httpx.Client(base_url=base, verify=trust, trust_env=False, timeout=_SECONDS) as client:
            descriptor = layout.resolve(tag)
            if descriptor is None:
                raise LookupError(f"{name}:{tag} is not in the layout")
            _put_manifest(client, layout, descriptor.digest, descriptor.media_type, tag)


def _put_manifest(client: httpx.Client, layout: Layout, digest: str, media_type: str, reference: str) -> None:
    content = _blob(layout, digest).read_bytes()
    document = json.loads(content)
    if media_type == INDEX:
        for entry in document["manifests"]:
            _put_manifest(client, layout, entry["digest"], entry["mediaType"], entry["digest"])
    else:
        for entry in (document["config"], *document["layers"]):
            _put_blob(client, layout, entry)
    headers = {"Content-Type": media_type}
    client.put(f"manifests/{reference}", content=content, headers=headers).raise_for_status()


def _put_blob(client: httpx.Client, layout: Layout, entry: dict[str, Any]) -> None:
    digest = entry["digest"]
    if client.head(f"blobs/{digest}").status_code == httpx.codes.OK:
        return
    upload = client.post("blobs/uploads/").raise_for_status().headers["Location"]
    with _blob(layout, digest).open("rb") as content:
        length = {"Content-Length": str(entry["size"])}
        url = httpx.URL(upload).copy_merge_params({"digest": digest})
        client.put(url, content=content, headers=length).raise_for_status()


def _blob(layout: Layout, digest: str) -> Path:
    path = layout.blob(digest)
    if path is None:
        raise LookupError(f"{digest} is not in the layout")
    return path

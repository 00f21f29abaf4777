"""Images: named, fetched, checked and unpacked without reaching outside of their folder."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import httpx
import pytest

from bot.embedded.node.distribution import (
    InvalidReferenceError,
    PullError,
    credentials,
    default_pull_policy,
    parse_image,
    registry_url,
)
from bot.embedded.node.images import Images
from bot.embedded.node.layers import LayerError, unpack
from bot.embedded.registry import Builder, RegistryServer

DIGEST = f"sha256:{'a' * 64}"
FILES = {
    "Dockerfile": b'FROM x\nWORKDIR /app\nENV A=1\nCOPY a.txt ./\nCMD ["python", "-m", "a"]\n',
    "a.txt": b"a",
}


@pytest.mark.parametrize(
    ("text", "url", "version"),
    [
        ("nginx", "https://registry-1.docker.io/v2/library/nginx", "latest"),
        ("acme/shop:1.0", "https://registry-1.docker.io/v2/acme/shop", "1.0"),
        ("ghcr.io/acme/shop@" + DIGEST, "https://ghcr.io/v2/acme/shop", DIGEST),
        ("ghcr.io/acme/shop:1@" + DIGEST, "https://ghcr.io/v2/acme/shop", DIGEST),
        ("localhost:5000/shop", "http://localhost:5000/v2/shop", "latest"),
        ("registry.localhost:5000/a/b:c", "http://registry.localhost:5000/v2/a/b", "c"),
        ("127.0.0.1:5000/shop", "http://127.0.0.1:5000/v2/shop", "latest"),
        ("registry:5000/shop", "https://registry:5000/v2/shop", "latest"),
    ],
)
def test_image_names_are_parsed_as_by_a_runtime(text: str, url: str, version: str) -> None:
    reference = parse_image(text)
    assert (registry_url(reference), reference.digest or reference.tag) == (url, version)


@pytest.mark.parametrize(
    "text", ["", "Shop", "a b", "shop:", "shop@sha256:12", "/shop", "shop/", "ghcr.io/../x"]
)
def test_invalid_image_name_is_rejected(text: str) -> None:
    with pytest.raises(InvalidReferenceError, match="invalid reference format"):
        parse_image(text)


def test_only_a_moving_tag_is_always_pulled() -> None:
    policies = [default_pull_policy(parse_image(text)) for text in ("a/b", "a/b:1", f"a/b@{DIGEST}")]
    assert policies == ["Always", "IfNotPresent", "IfNotPresent"]


@pytest.mark.parametrize("platforms", [["linux/amd64"], ["linux/arm64", "linux/amd64"]])
async def test_image_is_pulled_once_per_digest(tmp_path: Path, platforms: list[str]) -> None:
    builder = Builder(tmp_path / "registry")
    digest = await builder.build("acme/shop", "1", FILES, platforms)
    # The registry asks for a token, as public ones do.
    async with RegistryServer(tmp_path / "registry") as registry, httpx.AsyncClient() as http:
        images = Images(tmp_path / "images", http)
        by_tag = parse_image(f"{registry.host}/acme/shop:1")
        assert images.present(by_tag) is None
        image = await images.pull(by_tag)
        assert image.identity == f"{registry.host}/acme/shop@{digest}"
        assert (image.root / "app/a.txt").read_text() == "a"
        assert (image.command, image.env, image.working_dir) == (("python", "-m", "a"), (("A", "1"),), "/app")
        blobs = sum("/blobs/" in path for _, path, _ in registry.requests)
        assert await images.pull(parse_image(f"{registry.host}/acme/shop@{digest}")) == image
        assert sum("/blobs/" in path for _, path, _ in registry.requests) == blobs
        assert images.present(by_tag) == image


async def test_image_id_is_the_first_name_of_the_content(tmp_path: Path) -> None:
    """Content pulled under several names has one of them, whichever the pod names, as in containerd."""
    builder = Builder(tmp_path / "registry")
    digests = {name: await builder.build(f"acme/{name}", "1", FILES) for name in ("shop", "older")}
    async with RegistryServer(tmp_path / "registry") as registry, httpx.AsyncClient() as http:
        images = Images(tmp_path / "images", http)
        for name in ("shop", "older", "shop"):
            image = await images.pull(parse_image(f"{registry.host}/acme/{name}@{digests[name]}"))
        assert image.identity == f"{registry.host}/acme/older@{digests['older']}"


async def test_private_registry_needs_a_pull_secret(tmp_path: Path) -> None:
    await Builder(tmp_path / "registry").build("acme/shop", "1", FILES)
    server = RegistryServer(tmp_path / "registry", users={"ann": "secret"})
    async with server as registry, httpx.AsyncClient() as http:
        images = Images(tmp_path / "images", http)
        reference = parse_image(f"{registry.host}/acme/shop:1")
        with pytest.raises(PullError, match="failed to fetch token"):
            await images.pull(reference)
        assert await images.pull(reference, ("ann", "secret"))


async def test_wrong_digest_is_rejected(tmp_path: Path) -> None:
    digest = await Builder(tmp_path / "registry").build("acme/shop", "1", FILES)
    for blob in (tmp_path / "registry").rglob("*"):
        if blob.is_file() and blob.read_bytes()[:2] == b"\x1f\x8b":
            blob.write_bytes(gzip.compress(b"something else"))
    server = RegistryServer(tmp_path / "registry", anonymous=True)
    async with server as registry, httpx.AsyncClient() as http:
        images = Images(tmp_path / "images", http)
        with pytest.raises(PullError, match="unexpected digest"):
            await images.pull(parse_image(f"{registry.host}/acme/shop@{digest}"))
        assert list((tmp_path / "images").iterdir()) == [], "nothing half done is left"


def layer(path: Path, *entries: tuple[str, bytes | str | None]) -> Path:
    """A layer of files (bytes), links (text) and folders (None)."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type = tarfile.DIRTYPE
                member.mode = 0o755
                archive.addfile(member)
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def test_layer_replaces_and_removes_files(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    below = layer(tmp_path / "1", ("a/x", b"old"), ("a/y", b"y"), ("b/z", b"z"), ("lib", "/usr/lib"))
    unpack(below, root)
    above = layer(tmp_path / "2", ("a/x", b"new"), ("a/.wh.y", b""), ("b/.wh..wh..opq", b""), ("b/n", b"n"))
    unpack(above, root)
    assert (root / "a/x").read_text() == "new"
    assert sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()) == ["a/x", "b/n"]
    assert (root / "lib").readlink() == Path("usr/lib"), "an absolute link means the image"


@pytest.mark.parametrize(
    "entries",
    [
        [("../escaped", b"x")],
        [("a/../../escaped", b"x")],
        [("out", "../../escaped")],
        [("here", "."), ("here/../escaped", b"x")],
    ],
)
def test_layer_cannot_leave_its_folder(tmp_path: Path, entries: list[tuple[str, bytes | str | None]]) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(LayerError, match="reaches outside"):
        unpack(layer(tmp_path / "layer", *entries), root)
    assert not (tmp_path / "escaped").exists()


def test_file_replaces_a_link(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    unpack(layer(tmp_path / "layer", ("real", b"1"), ("link", "real"), ("link", b"2")), root)
    assert ((root / "real").read_text(), (root / "link").read_text()) == ("1", "2")


def test_invalid_layer_is_rejected(tmp_path: Path) -> None:
    broken = tmp_path / "layer"
    broken.write_bytes(hashlib.sha256(b"").digest() * 40)
    with pytest.raises(LayerError, match="failed to extract layer"):
        unpack(broken, tmp_path)


def test_credentials_of_the_matching_secret() -> None:
    def secret(config: object) -> dict[str, object]:
        return {"data": {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()}}

    other = secret({"auths": {"ghcr.io": {"username": "x", "password": "y"}}})
    ours = secret({"auths": {"r.io": {"auth": "YW5uOnM6dA=="}}})
    assert credentials([{"data": {}}, other, ours], "r.io") == ("ann", "s:t")
    assert credentials([other], "r.io") is None

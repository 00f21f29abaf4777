"""The embedded registry follows the distribution specification and builds reproducibly."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bot.embedded import samples
from bot.embedded.registry import Builder, BuildError, RegistryServer
from bot.embedded.registry.layout import INDEX, MANIFEST

SCOPE = "repository:acme/shop:pull"


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RegistryServer]:
    async with RegistryServer(tmp_path) as server:
        yield server


@pytest.fixture
async def http(registry: RegistryServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=registry.url) as client:
        yield client


async def log_in(http: httpx.AsyncClient, scope: str = SCOPE) -> None:
    answer = (await http.get("/token", params={"service": "x", "scope": scope})).json()
    http.headers["Authorization"] = f"Bearer {answer['token']}"


async def test_build_is_pulled_blob_by_blob(
    registry: RegistryServer, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    digest = await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files())
    await log_in(http)
    manifest = await http.get("/v2/acme/shop/manifests/abc", headers={"Accept": MANIFEST})
    assert manifest.headers["Docker-Content-Digest"] == digest
    assert f"sha256:{hashlib.sha256(manifest.content).hexdigest()}" == digest
    assert manifest.headers["Content-Type"] == MANIFEST

    config = (await http.get(f"/v2/acme/shop/blobs/{manifest.json()['config']['digest']}")).json()
    assert config["config"]["Cmd"] == ["python", "-m", "shop.server"]
    assert config["config"]["WorkingDir"] == "/app"
    assert config["config"]["User"] == "10001"

    blob = (await http.get(f"/v2/acme/shop/blobs/{manifest.json()['layers'][0]['digest']}")).content
    archive = gzip.decompress(blob)
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(archive).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(archive)) as layer:
        names = layer.getnames()
    assert "app/shop/server.py" in names
    assert "app/seed/catalogue.json" in names
    assert not [name for name in names if name.startswith("app/deploy")]


async def test_head_and_ranges(registry: RegistryServer, http: httpx.AsyncClient, tmp_path: Path) -> None:
    digest = await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files())
    await log_in(http)
    head = await http.head(f"/v2/acme/shop/manifests/{digest}", headers={"Accept": f"{INDEX}, {MANIFEST}"})
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) > 100
    manifest = (await http.get(f"/v2/acme/shop/manifests/{digest}", headers={"Accept": MANIFEST})).json()
    url = f"/v2/acme/shop/blobs/{manifest['config']['digest']}"
    part = await http.get(url, headers={"Range": "bytes=2-5"})
    assert part.status_code == 206
    assert part.content == (await http.get(url)).content[2:6]


async def test_challenge_names_the_token_service(registry: RegistryServer, http: httpx.AsyncClient) -> None:
    refusal = await http.get("/v2/acme/shop/manifests/abc")
    assert refusal.status_code == 401
    assert refusal.headers["WWW-Authenticate"] == (
        f'Bearer realm="{registry.url}/token",service="{registry.host}",scope="{SCOPE}"'
    )
    assert refusal.json()["errors"][0]["code"] == "UNAUTHORIZED"
    assert (await http.get("/v2/")).status_code == 401
    await log_in(http, "repository:acme/other:pull")
    assert (await http.get("/v2/")).status_code == 200
    assert (await http.get("/v2/acme/shop/manifests/abc")).status_code == 401


async def test_unknown_names_are_reported(http: httpx.AsyncClient, tmp_path: Path) -> None:
    await log_in(http)
    assert (await http.get("/v2/acme/shop/tags/list")).json()["errors"][0]["code"] == "NAME_UNKNOWN"
    await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files())
    no_tag = await http.get("/v2/acme/shop/manifests/xyz", headers={"Accept": MANIFEST})
    assert (no_tag.status_code, no_tag.json()["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")
    not_accepted = await http.get("/v2/acme/shop/manifests/abc")
    assert "accept header does not support" in not_accepted.json()["errors"][0]["message"]
    no_blob = await http.get(f"/v2/acme/shop/blobs/sha256:{'0' * 64}")
    assert no_blob.json()["errors"][0]["code"] == "BLOB_UNKNOWN"
    assert (await http.get("/v2/acme/shop/blobs/latest")).json()["errors"][0]["code"] == "DIGEST_INVALID"
    assert (await http.put("/v2/acme/shop/manifests/abc")).status_code == 405
    assert (await http.get("/v2/../secrets/manifests/abc")).status_code in (400, 404)


async def test_tags_are_paged(http: httpx.AsyncClient, tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    for tag in ("c", "a", "b"):
        await builder.build("acme/shop", tag, samples.shop_files())
    await log_in(http)
    first = await http.get("/v2/acme/shop/tags/list?n=2")
    assert first.json() == {"name": "acme/shop", "tags": ["a", "b"]}
    assert first.links["next"]["url"] == "/v2/acme/shop/tags/list?n=2&last=b"
    assert (await http.get(first.links["next"]["url"])).json()["tags"] == ["c"]


async def test_build_is_reproducible(tmp_path: Path) -> None:
    builder, files = Builder(tmp_path), samples.shop_files()
    first = await builder.build("acme/shop", "one", files)
    assert await builder.build("acme/shop", "two", files) == first
    assert await builder.build("acme/other", "one", dict(reversed(files.items()))) == first
    autumn = samples.restyle(files, samples.AUTUMN)
    assert await builder.build("acme/shop", "three", autumn) != first
    assert await builder.build("acme/shop", "one", autumn) == first


async def test_several_platforms_give_an_index(http: httpx.AsyncClient, tmp_path: Path) -> None:
    platforms = ("linux/amd64", "linux/arm64")
    digest = await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files(), platforms)
    await log_in(http)
    answer = await http.get("/v2/acme/shop/manifests/abc", headers={"Accept": f"{INDEX}, {MANIFEST}"})
    assert (answer.headers["Docker-Content-Digest"], answer.headers["Content-Type"]) == (digest, INDEX)
    entries = answer.json()["manifests"]
    assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm64"]
    for entry in entries:
        url = f"/v2/acme/shop/manifests/{entry['digest']}"
        assert (await http.get(url, headers={"Accept": MANIFEST})).json()["layers"]


async def test_broken_build_names_the_line(http: httpx.AsyncClient, tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    with pytest.raises(BuildError, match=r'Dockerfile line 4: .*"/assets": not found'):
        await builder.build("acme/shop", "abc", samples.broken_build(samples.shop_files()))
    with pytest.raises(BuildError, match="RUN is not supported"):
        await builder.build("acme/shop", "abc", {"Dockerfile": b"FROM scratch\nRUN make\n"})
    with pytest.raises(BuildError, match="no such file"):
        await builder.build("acme/shop", "abc", {})
    await log_in(http)
    assert (await http.head("/v2/acme/shop/manifests/abc", headers={"Accept": MANIFEST})).status_code == 404


async def test_build_has_a_delay(tmp_path: Path) -> None:
    started = time.monotonic()
    await Builder(tmp_path, delay=0.05).build("acme/shop", "abc", samples.shop_files())
    assert time.monotonic() - started >= 0.05


async def test_users_must_log_in(tmp_path: Path) -> None:
    async with (
        RegistryServer(tmp_path, users={"robot": "secret"}) as registry,
        httpx.AsyncClient(base_url=registry.url) as http,
    ):
        assert (await http.get("/token", params={"scope": SCOPE})).status_code == 401
        assert (await http.get("/token", auth=("robot", "wrong"))).status_code == 401
        assert (await http.get("/token", auth=("robot", "secret"))).json()["expires_in"] == 300
        assert "secret" not in repr(registry.tokens)


async def test_anonymous_needs_no_token(tmp_path: Path) -> None:
    async with (
        RegistryServer(tmp_path, anonymous=True) as registry,
        httpx.AsyncClient(base_url=registry.url) as http,
    ):
        assert (await http.get("/v2/")).status_code == 200


async def test_faults_apply_a_number_of_times(http: httpx.AsyncClient) -> None:
    fault = {"path": "/v2/", "status": 503, "times": 1, "retry_after": "7"}
    assert (await http.post("/_faults", json=fault)).status_code == 200
    await log_in(http)
    broken = await http.get("/v2/")
    assert (broken.status_code, broken.headers["Retry-After"]) == (503, "7")
    assert (await http.get("/v2/")).status_code == 200
    await http.post("/_faults", json={"drop": True})
    with pytest.raises(httpx.TransportError):
        await http.get("/v2/")
    assert (await http.delete("/_faults")).json() == []
    assert (await http.post("/_faults", json={"state": 500})).json() == {"error": "unknown: state"}


async def test_registry_runs_alone(tmp_path: Path) -> None:
    await Builder(tmp_path).build("acme/shop", "abc", samples.shop_files())
    index = json.loads((tmp_path / "acme/shop/index.json").read_text())
    assert json.loads((tmp_path / "acme/shop/oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert index["manifests"][0]["annotations"] == {"org.opencontainers.image.ref.name": "abc"}

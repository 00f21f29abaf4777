"""Charts from an HTTP repository and from a registry, both on loopback."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import yaml
from aiohttp import web

from bot.model.errors import Rejected, Unavailable
from bot.registry.charts import ChartClient, open_charts

CHART = b"a packaged chart"
DIGEST = hashlib.sha256(CHART).hexdigest()


@dataclass
class Host:
    """A server with files, redirects and statuses by path."""

    name: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.name}/charts"

    def index(self, url: str = "part-1.0.0.tgz", digest: str = DIGEST, version: str = "1.0.0") -> None:
        entry = {"name": "part", "version": version, "urls": [url], "digest": digest}
        content = {"apiVersion": "v1", "entries": {"other": [], "part": [entry]}}
        self.files["/charts/index.yaml"] = yaml.safe_dump(content, sort_keys=False).encode()


async def _serve(host: Host) -> web.AppRunner:
    async def answer(request: web.Request) -> web.Response:
        host.requests.append(request.path)
        if request.path in host.redirects:
            return web.Response(status=302, headers={"Location": host.redirects[request.path]})
        status = host.statuses.get(request.path, 200 if request.path in host.files else 404)
        return web.Response(body=host.files.get(request.path, b""), status=status)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host.name = site.name.removeprefix("http://")
    return runner


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    made = Host(files={"/charts/part-1.0.0.tgz": CHART})
    runner = await _serve(made)
    made.index()
    yield made
    await runner.cleanup()


@pytest.fixture
async def other() -> AsyncIterator[Host]:
    made = Host(files={"/charts/part-1.0.0.tgz": CHART})
    runner = await _serve(made)
    yield made
    await runner.cleanup()


@pytest.fixture
async def client(host: Host) -> AsyncIterator[ChartClient]:
    async with open_charts(None, (), (host.name,)) as charts:
        yield charts


async def test_chart_is_found_by_the_index(host: Host, client: ChartClient) -> None:
    assert await client.fetch(host.url, "part", "1.0.0") == CHART
    assert host.requests == ["/charts/index.yaml", "/charts/part-1.0.0.tgz"]


async def test_chart_is_fetched_once(host: Host, client: ChartClient) -> None:
    for _ in range(3):
        assert await client.fetch(host.url, "part", "1.0.0") == CHART
    assert len(host.requests) == 2


async def test_large_index_is_not_parsed_as_a_whole(host: Host, client: ChartClient) -> None:
    padding = "".join(f"  chart-{n}:\n  - version: 1.0.{n}\n    urls: ['x']\n" for n in range(120_000))
    index = host.files["/charts/index.yaml"].decode().replace("  part:\n", f"{padding}  part:\n")
    host.files["/charts/index.yaml"] = index.replace("  - name", "  - name").encode()
    assert len(index) > 4 * 2**20
    assert await client.fetch(host.url, "part", "1.0.0") == CHART


@pytest.mark.parametrize("digest", ["0" * 64, "sha256:" + "0" * 64])
async def test_other_content_than_the_index_names_is_refused(
    host: Host, client: ChartClient, digest: str
) -> None:
    host.index(digest=digest)
    with pytest.raises(Rejected, match=r"digest of part 1\.0\.0 .* is not the one"):
        await client.fetch(host.url, "part", "1.0.0")


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (b"{", "invalid index.yaml"),
        (b"[]", "has no chart part 1.0.0"),
        (b"entries: {part: [{version: 2.0.0}]}", "has no chart part 1.0.0"),
        (b"entries: {part: [{version: 1.0.0}]}", "has no address of part 1.0.0"),
        (b"entries: {part: [{version: 1.0.0, urls: ['file:///etc/passwd']}]}", "refers to file"),
    ],
)
async def test_invalid_index_is_refused(host: Host, client: ChartClient, index: bytes, message: str) -> None:
    host.files["/charts/index.yaml"] = index
    with pytest.raises(Rejected, match=message):
        await client.fetch(host.url, "part", "1.0.0")


async def test_outage_is_temporary(host: Host, client: ChartClient) -> None:
    host.statuses["/charts/index.yaml"] = 503
    with pytest.raises(Unavailable, match="status 503"):
        await client.fetch(host.url, "part", "1.0.0")


async def test_other_hosts_get_no_requests(host: Host, other: Host, client: ChartClient) -> None:
    host.index(url=f"{other.url}/part-1.0.0.tgz")
    with pytest.raises(Rejected, match=f"does not allow {other.name}.*GREENROOM_RENDER_HOSTS"):
        await client.fetch(host.url, "part", "1.0.0")
    host.index()
    host.redirects["/charts/part-1.0.0.tgz"] = f"{other.url}/part-1.0.0.tgz"
    with pytest.raises(Rejected, match=f"does not allow {other.name}"):
        await client.fetch(host.url, "part", "1.0.0")
    assert other.requests == []
    async with open_charts(None, (), (host.name, other.name)) as both:
        assert await both.fetch(host.url, "part", "1.0.0") == CHART
    assert other.requests == ["/charts/part-1.0.0.tgz"]


async def test_name_of_a_private_address_is_refused(host: Host) -> None:
    name = host.name.replace("127.0.0.1", "localhost")
    url = host.url.replace("127.0.0.1", "localhost")
    async with open_charts(None, (), (name,)) as charts:
        with pytest.raises(Rejected, match="GREENROOM_PRIVATE_REGISTRIES"):
            await charts.fetch(url, "part", "1.0.0")
    assert host.requests == []
    async with open_charts(None, (name,), (name,)) as charts:
        assert await charts.fetch(url, "part", "1.0.0") == CHART

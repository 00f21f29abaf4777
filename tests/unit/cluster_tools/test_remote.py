"""Kustomize and Helm send requests only to hosts that the operator allows."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from bot.cluster.manifests import Source
from bot.cluster.render.tools import Tools
from bot.model.errors import ManifestRefused
from bot.model.manifest import Tool
from bot.registry.charts import open_charts
from tests.unit.cluster.manifests import request

pytestmark = [pytest.mark.tools, pytest.mark.usefixtures("real_tools")]

MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-elsewhere}\n"
Fetch = Callable[..., Awaitable[Sequence[Source]]]
CHART = b"apiVersion: v2\nname: part\nversion: 1.0.0\n"


@dataclass
class Elsewhere:
    host: str
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}"


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    """A host that serves a manifest and a repository of one chart."""
    other = Elsewhere("")
    entry = "{{apiVersion: v2, name: part, version: 1.0.0, urls: ['{}/part.tgz']}}"
    index = f"apiVersion: v1\nentries: {{{{part: [{entry}]}}}}\n"

    async def answer(asked: web.Request) -> web.Response:
        other.asked.append(asked.path)
        content = {"/x.yaml": MAP, "/index.yaml": index.format(other.url).encode(), "/part.tgz": _chart()}
        return web.Response(body=content[asked.path]) if asked.path in content else web.Response(status=404)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    other.host = site.name.removeprefix("http://")
    yield other
    await runner.cleanup()


def _chart() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in (("part/Chart.yaml", CHART), ("part/templates/x.yaml", MAP)):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue())


async def kustomized(elsewhere: Elsewhere, *hosts: str) -> Sequence[Source]:
    files = {"deploy/kustomization.yaml": f"resources: ['{elsewhere.url}/x.yaml']".encode()}
    return (await Tools(hosts).sources(request(files=files, directory="deploy", tool=Tool.KUSTOMIZE))).sources


async def charted(elsewhere: Elsewhere, *hosts: str) -> Sequence[Source]:
    dependency = f"{{name: part, version: 1.0.0, repository: '{elsewhere.url}'}}"
    chart = f"apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies: [{dependency}]\n"
    files = {"chart/Chart.yaml": chart.encode()}
    async with open_charts(None, (), hosts) as charts:
        tools = Tools(hosts, charts=charts)
        return (await tools.sources(request(files=files, directory="chart", tool=Tool.HELM))).sources


async def test_kustomize_fetches_an_allowed_base(elsewhere: Elsewhere) -> None:
    [source] = await kustomized(elsewhere, elsewhere.host)
    assert source.manifest["metadata"]["name"] == "from-elsewhere"


async def test_helm_fetches_an_allowed_chart(elsewhere: Elsewhere) -> None:
    [source] = await charted(elsewhere, elsewhere.host)
    assert source.where() == "chart/charts/part/templates/x.yaml:1 (as rendered by Helm)"
    assert source.manifest["metadata"]["name"] == "from-elsewhere"


@pytest.mark.parametrize("fetch", [kustomized, charted])
async def test_other_hosts_get_no_requests(elsewhere: Elsewhere, fetch: Fetch) -> None:
    with pytest.raises(ManifestRefused, match="which the operator does not allow"):
        await fetch(elsewhere, "example.com", "127.0.0.1")
    assert elsewhere.asked == []

"""Counters from a real Prometheus that scrapes the embedded gateway."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from bot.embedded.bot_process import free_port
from bot.embedded.gateway.metrics import BackendMetrics
from bot.metrics.prometheus import PrometheusMetrics
from bot.metrics.provider_file import BasicAuth, PrometheusSettings
from bot.metrics.queries import Preset, Queries, Unit, filled
from bot.metrics.vectors import counts_by_source
from bot.model.errors import Unavailable
from bot.model.rollout import NO_COUNTS, Backend, Counts
from tests.kubernetes.certificates import Authority
from tests.kubernetes.prometheus import PASSWORD, USER, prometheus
from tests.unit.metrics.traefik import label, shop_requests

_BACKEND = Backend("shop", 80)
_ENVIRONMENT = {"GREENROOM_SECRET_PROMETHEUS": PASSWORD}


@contextlib.asynccontextmanager
async def _served(metrics: BackendMetrics) -> AsyncIterator[str]:
    """HOST:PORT of the gateway's metrics."""
    runner = web.ServerRunner(web.Server(metrics.handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _settings(url: str, authority: Authority | None = None, **fields: object) -> PrometheusSettings:
    values: dict[str, object] = {"url": url, "repositories": ("acme/*",), "preset": Preset.TRAEFIK}
    if authority is not None:
        values["ca_file"] = str(authority.certificate)
        values["basic_auth"] = BasicAuth(username=USER, password="env:PROMETHEUS")
    return PrometheusSettings.model_validate(values | fields)


async def _read(settings: PrometheusSettings) -> Counts:
    async with PrometheusMetrics("prometheus", settings, _ENVIRONMENT) as client:
        return sum((await client.read("production", [_BACKEND], "default")).values(), NO_COUNTS)


async def _reads(settings: PrometheusSettings, requests: int) -> Counts:
    """Waits until this many requests were scraped."""
    for _ in range(100):
        counts = await _read(settings)
        if counts.requests == requests:
            return counts
        await asyncio.sleep(0.1)
    raise AssertionError(f"{counts} in place of {requests} requests")


@pytest.mark.tools
async def test_requests_errors_and_durations_are_those_of_the_gateway(tmp_path: Path) -> None:
    authority, metrics = Authority(tmp_path), BackendMetrics()
    certificate = authority.server("prometheus")
    trust = ssl.create_default_context(cafile=authority.certificate)
    shop_requests(metrics)
    async with (
        _served(metrics) as target,
        prometheus(tmp_path, target, free_port(), certificate, trust) as url,
    ):
        settings = _settings(url, authority)
        counts = await _reads(settings, 4)
        assert counts.errors == 2
        assert counts.slower_than(0.1) == 2
        assert counts.slower_than(1.2) == 1
        metrics.answered(label("production", "shop"), "POST", 200, 0.05)
        assert (await _reads(settings, 5)).errors == 2

        own = 'sum by (job) (traefik_service_requests_total{service=~".*-{namespace}-{service}-.*"ALSO})'
        custom = Queries(requests=own.replace("ALSO", ""), errors=own.replace("ALSO", ',code="503"'))
        assert await _read(_settings(url, authority, preset=None, queries=custom)) == Counts(5, 1)

        with pytest.raises(Unavailable, match=r"status 401"):
            await _read(_settings(url, authority, basic_auth=None))
        with pytest.raises(Unavailable, match=r"is not trusted.*`ca_file` of the provider prometheus"):
            await _read(_settings(url, authority, ca_file=None))
        invalid = custom.model_copy(update={"requests": "sum("})
        with pytest.raises(Unavailable, match="parse error"):
            await _read(_settings(url, authority, preset=None, queries=invalid))
        scalar = custom.model_copy(update={"requests": "1"})
        with pytest.raises(Unavailable, match="instant vector"):
            await _read(_settings(url, authority, preset=None, queries=scalar))
        apart = custom.model_copy(update={"errors": custom.errors.replace("job", "code")})
        with pytest.raises(Unavailable, match="labels that no series of `requests` has"):
            await _read(_settings(url, authority, preset=None, queries=apart))


@pytest.mark.tools
async def test_counters_are_read_where_the_scrape_renamed_the_label(tmp_path: Path) -> None:
    """A ServiceMonitor adds a label `service`; that of Traefik becomes `exported_service`."""
    metrics = BackendMetrics()
    shop_requests(metrics)
    async with (
        _served(metrics) as target,
        prometheus(tmp_path, target, free_port(), labels={"service": "traefik-metrics"}) as url,
    ):
        assert (await _reads(_settings(url), 4)).errors == 2


@pytest.mark.tools
async def test_failed_calls_of_grpc_are_errors(tmp_path: Path) -> None:
    metrics = BackendMetrics()
    for status in (0, 0, 5, 13, 14):
        metrics.answered(label("production", "shop"), "POST", status, 0.05)
    async with _served(metrics) as target, prometheus(tmp_path, target, free_port()) as url:
        assert (await _reads(_settings(url), 5)).errors == 2


@pytest.mark.tools
async def test_names_of_both_forms_are_counted_once_with_several_ports(tmp_path: Path) -> None:
    metrics = BackendMetrics()
    for name in (
        label("production", "shop"),
        label("production", "shop", rule=1),
        "production-shop-http-80@kubernetesgateway",
        "production-shop-grpc-90@kubernetesgateway",
        "production-shop-http-91@kubernetesgateway",
        label("preview", "abcdef0123456789abcd-svc-production-shop"),
    ):
        metrics.answered(name, "GET", 500, 0.05)
    backends = [_BACKEND, Backend("shop", 90)]
    async with _served(metrics) as target, prometheus(tmp_path, target, free_port()) as url:
        await _reads(_settings(url), 3)
        async with PrometheusMetrics("prometheus", _settings(url), {}) as client:
            read = await client.read("production", backends, "default")
    assert len(read) == 4
    assert {(counts.requests, counts.errors) for counts in read.values()} == {(1, 1)}


def test_a_query_is_asked_once_for_each_port_or_service() -> None:
    backends = [_BACKEND, Backend("shop", 90), Backend("api", 80)]
    assert filled("{namespace}/{service}:{port}@{cluster}", "production", backends, "eu") == [
        "production/shop:80@eu",
        "production/shop:90@eu",
        "production/api:80@eu",
    ]
    assert filled("{service}", "production", backends, "eu") == ["shop", "api"]
    assert filled("{service}:({ports})", "production", backends, "eu") == ["shop:(80|90)", "api:(80)"]


async def test_a_server_that_is_down_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="The metrics provider prometheus cannot be read"):
        await _read(_settings(f"http://127.0.0.1:{free_port()}"))


async def test_a_server_that_hangs_is_unavailable() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client closes the connection
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        settings = _settings(f"http://127.0.0.1:{port}", timeout=timedelta(seconds=0.2))
        with pytest.raises(Unavailable, match=r"Timeout|in time"):
            await _read(settings)
    finally:
        server.close()
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("reference", ["env:ABSENT", "file:/does/not/exist"])
async def test_a_missing_credential_is_named_without_a_request(reference: str) -> None:
    settings = _settings(f"http://127.0.0.1:{free_port()}", bearer_token=reference)
    with pytest.raises(Unavailable, match=r"(ABSENT|/does/not/exist) with the bot's credential is empty"):
        await _read(settings)


async def test_a_bearer_token_is_sent_and_a_partial_answer_is_refused() -> None:
    seen: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers["Authorization"])
        data = {"resultType": "vector", "result": []}
        return web.json_response({"status": "success", "data": data, "warnings": ["a store is missing"]})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        with pytest.raises(Unavailable, match="may be incomplete: a store is missing"):
            await _read(_settings(url, bearer_token="env:PROMETHEUS"))
    finally:
        await runner.cleanup()
    assert set(seen) == {f"Bearer {PASSWORD}"}


def test_bounds_in_milliseconds_are_compared_in_seconds() -> None:
    durations = [({"le": "300"}, 7), ({"le": "+Inf"}, 9)]
    [counts] = counts_by_source([({}, 9)], [], durations, Unit.MILLISECONDS).values()
    assert counts.slower_than(0.3) == 2

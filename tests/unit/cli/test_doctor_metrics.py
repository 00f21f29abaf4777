"""`greenroom doctor`: the metrics of the gateway."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bot.doctor.checks import CheckFailed
from bot.doctor.metrics import check_gateway_metrics
from bot.embedded.bot_process import free_port
from tests.unit.cli.settings import doctor_settings


class _Pod(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        exists = self.path == "/metrics"
        self.send_response(200 if exists else 404)
        self.end_headers()
        self.wfile.write(b"# TYPE up gauge\nup 1\n")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Pod) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_readable_metrics_pass(address: str) -> None:
    settings = doctor_settings(gateway_metrics=f"{address}/metrics")
    assert await check_gateway_metrics(settings) == "readable from 1 pod of the gateway"


async def test_wrong_path_and_wrong_port_are_reported_with_advice(address: str) -> None:
    for url in (f"{address}/stats", f"http://127.0.0.1:{free_port()}/metrics"):
        with pytest.raises(CheckFailed, match="Correct GREENROOM_GATEWAY_METRICS"):
            await check_gateway_metrics(doctor_settings(gateway_metrics=url))


async def test_unreachable_metrics_name_address_and_cause() -> None:
    port = free_port()
    settings = doctor_settings(gateway_metrics=f"http://127.0.0.1:{port}/metrics")
    with pytest.raises(
        CheckFailed, match=rf"nothing listens at 127\.0\.0\.1:{port} \(connection refused\)\."
    ):
        await check_gateway_metrics(settings)


async def test_without_metrics_the_setting_is_named() -> None:
    assert "GREENROOM_GATEWAY_METRICS" in await check_gateway_metrics(doctor_settings())

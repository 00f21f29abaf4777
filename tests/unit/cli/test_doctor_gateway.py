"""The doctor asks the gateway: each way in which it does not answer has a finding with advice."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.cluster.policy import ClusterPolicy
from bot.doctor.checks import CheckFailed
from bot.doctor.gateway import check_gateway_answers
from bot.doctor.traffic import traffic_problem
from bot.model.manifest import Answer
from bot.settings import Domain, Settings
from bot.settings.networks import gateway_sources
from tests.kubernetes.certificates import Authority
from tests.unit.cli.settings import doctor_settings
from tests.unit.cluster.test_gateway import answering, serving

NOT_FOUND = answering("HTTP/1.1 404 Not Found", "Content-Length: 0")
POLICY = ClusterPolicy("gateways", "public", Domain("https", "preview.example.com", None))


def _settings(port: int, scheme: str, **more: Any) -> Settings:
    base_domain = f"{scheme}://preview.example.com"
    return doctor_settings(base_domain=base_domain, gateway_address=f"127.0.0.1:{port}", **more)


async def _problem(settings: Settings) -> str:
    with pytest.raises(CheckFailed) as caught:
        await check_gateway_answers(settings)
    return str(caught.value)


def _tls(folder: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    authority = Authority(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server("gateway", host))
    return context, authority.certificate


async def test_any_answer_passes() -> None:
    async with serving(NOT_FOUND) as port:
        passed = await check_gateway_answers(_settings(port, "http"))
    assert passed == "answers for http://preview.example.com"


async def test_nothing_listens() -> None:
    async with serving(NOT_FOUND) as port:
        pass
    problem = await _problem(_settings(port, "http"))
    assert f"Nothing listens at 127.0.0.1:{port}" in problem
    assert "Correct scheme and port in GREENROOM_BASE_DOMAIN" in problem


async def test_both_domains_are_asked() -> None:
    async with serving(NOT_FOUND) as port:
        pass
    problem = await _problem(_settings(port, "http", fork_base_domain="http://forks.example.com"))
    assert [line.rpartition(" in ")[2].split(",")[0] for line in problem.splitlines()] == [
        "GREENROOM_BASE_DOMAIN",
        "GREENROOM_FORK_BASE_DOMAIN",
    ]


async def test_https_on_a_plain_listener() -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        problem = await _problem(_settings(port, "https"))
    assert f"127.0.0.1:{port} answers without TLS" in problem
    assert "write http:// in GREENROOM_BASE_DOMAIN" in problem


async def test_certificate_of_another_host(tmp_path: Path) -> None:
    tls, authority = _tls(tmp_path, "*.example.org")
    async with serving(NOT_FOUND, tls) as port:
        problem = await _problem(_settings(port, "https", gateway_ca_file=str(authority)))
    assert "is not valid for *.preview.example.com" in problem


async def test_certificate_of_an_unknown_authority(tmp_path: Path) -> None:
    tls, authority = _tls(tmp_path, "*.preview.example.com")
    async with serving(NOT_FOUND, tls) as port:
        problem = await _problem(_settings(port, "https"))
        trusting = _settings(port, "https", gateway_ca_file=str(authority))
        assert await check_gateway_answers(trusting) == "answers for https://preview.example.com"
    assert "set GREENROOM_GATEWAY_CA_FILE" in problem


async def test_http_on_a_tls_listener(tmp_path: Path) -> None:
    tls, _ = _tls(tmp_path, "*.preview.example.com")
    async with serving(NOT_FOUND, tls) as port:
        problem = await _problem(_settings(port, "http"))
    assert "closed the connection" in problem
    assert "write https:// in GREENROOM_BASE_DOMAIN" in problem


@pytest.mark.parametrize(
    "serve",
    [
        answering("HTTP/1.1 308 Permanent Redirect", "Location: https://x/", "Content-Length: 0"),
        answering("HTTP/1.1 400 Bad Request", "Content-Length: 29", body=b"HTTP request to HTTPS server."),
    ],
)
async def test_listener_that_wants_https(serve: Any) -> None:
    async with serving(serve) as port:
        assert "https://" in await _problem(_settings(port, "http"))


async def test_name_that_cannot_be_resolved() -> None:
    problem = await _problem(doctor_settings(base_domain="http://preview.invalid"))
    assert "Create a DNS record for *.preview.invalid" in problem


URL = "https://pr-7.preview.example.com/"


@pytest.mark.parametrize("status", [200, 404, 500])
def test_answer_of_a_pod_passes(status: int) -> None:
    assert traffic_problem(Answer(status, "abc"), "gr-shop-pr-7", URL, POLICY) is None


@pytest.mark.parametrize(
    "answer", [Answer(503), Answer(502, "abc"), Answer(None, error="no answer within 5 s", timed_out=True)]
)
def test_gateway_that_cannot_reach_ready_pods_blames_the_policy(answer: Answer) -> None:
    sources = gateway_sources("envoy-system/app=envoy+tier=edge, 10.0.0.0/16")
    problem = traffic_problem(answer, "gr-shop-pr-7", URL, replace(POLICY, gateway_pods=sources))
    assert problem is not None
    assert "Pods of gr-shop-pr-7 are ready" in problem
    assert (
        "pods of the namespace envoy-system with app=envoy and tier=edge, the network 10.0.0.0/16" in problem
    )
    assert "Set GREENROOM_GATEWAY_PODS" in problem


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(404), "does not serve that route"),
        (Answer(None, error="nothing listens at 127.0.0.1:80"), "The gateway does not answer"),
    ],
)
def test_gateway_without_the_route_is_blamed(answer: Answer, words: str) -> None:
    problem = traffic_problem(answer, "gr-shop-pr-7", URL, POLICY)
    assert problem is not None
    assert words in problem
    assert "GREENROOM_GATEWAY_PODS" not in problem

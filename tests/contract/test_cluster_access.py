"""What the doctor asks of a cluster: rights and the gateway. And how a connection fails."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from bot.cluster.client.access import RIGHTS, Right, gateway_problem, missing_rights
from bot.cluster.client.connection import ConnectionFailed, connect
from bot.cluster.client.kinds import NAMESPACE
from bot.embedded.client.resources import GATEWAYS
from bot.embedded.kubernetes.faults import Fault
from bot.model.errors import Rejected, Unavailable
from tests.contract.cluster_harness import Desk, make_gateway


async def test_an_administrator_lacks_nothing(desk: Desk):
    assert await missing_rights(desk.api) == []


@pytest.mark.parametrize("desk", ["embedded"], indirect=True)
async def test_what_is_not_granted_is_named(desk: Desk):
    assert desk.server is not None
    desk.server.deny("delete", "namespaces")
    desk.server.deny("get", "pods/log")
    assert await missing_rights(desk.api) == [
        Right("", "namespaces", ("delete",)),
        Right("", "pods/log", ("get",)),
    ]
    desk.server.access.denials.clear()
    assert len(desk.server.calls) >= sum(len(right.verbs) for right in RIGHTS)


async def test_a_gateway_that_cannot_serve_is_told_with_its_reason(desk: Desk):
    where = f"{desk.policy.gateway_namespace}/main"
    problem = await gateway_problem(desk.api, desk.policy)
    assert problem is not None
    assert problem.startswith(f"Gateway {where} does not exist.")
    await make_gateway(desk)
    problem = await gateway_problem(desk.api, desk.policy)
    assert problem is not None
    assert problem.startswith(f"Gateway {where} is not accepted")


@pytest.mark.parametrize(
    ("listener", "told"),
    [
        ({}, None),
        ({"hostname": "*.preview.test"}, None),
        ({"hostname": "*.test"}, None),
        ({"hostname": "*.other.test"}, "serves *.other.test, not *.preview.test"),
        ({"hostname": "preview.test"}, "serves preview.test, not *.preview.test"),
        ({"allowedRoutes": {"namespaces": {"from": "Same"}}}, "its own namespace only"),
    ],
)
async def test_the_gateway_needs_a_listener_for_the_environments(
    desk: Desk, listener: dict[str, object], told: str | None
):
    await make_gateway(desk, **listener)
    await _taken_up(desk)
    problem = await gateway_problem(desk.api, desk.policy)
    assert (problem is None) if told is None else (problem is not None and told in problem)


@pytest.mark.parametrize(
    ("listener", "carried"),
    [({}, True), ({"hostname": "*.test"}, True), ({"hostname": "*.preview.test"}, False)],
)
async def test_the_gateway_needs_a_listener_for_the_hosts_of_stages(
    desk: Desk, listener: dict[str, object], carried: bool
):
    await make_gateway(desk, **listener)
    await _taken_up(desk)
    policy = replace(desk.policy, hosts=("shop.test",))
    told = await gateway_problem(desk.api, policy)
    assert told is None if carried else "no listener for shop.test" in (told or "")


async def _taken_up(desk: Desk) -> None:
    """As a controller says it."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    conditions = [
        {"type": kind, "status": "True", "reason": kind, "message": "", "lastTransitionTime": now}
        for kind in ("Accepted", "Programmed")
    ]
    await desk.eyes.patch_status(GATEWAYS, "main", {"conditions": conditions}, desk.policy.gateway_namespace)


@pytest.mark.parametrize("desk", ["embedded"], indirect=True)
async def test_a_wrong_token_is_no_fault_of_any_manifest(desk: Desk, tmp_path: Path):
    assert desk.server is not None
    config = desk.server.kubeconfig()
    config["users"] = [{"name": "greenroom-embedded", "user": {"token": "wrong"}}]
    config["clusters"] = [{"name": "greenroom-embedded", "cluster": {"server": desk.server.url}}]
    path = tmp_path / "wrong"
    path.write_text(yaml.safe_dump(config))
    async with await connect(str(path)) as api:
        with pytest.raises(Unavailable, match="Unauthorized"):
            await api.get(NAMESPACE, "default")


@pytest.mark.parametrize("desk", ["embedded"], indirect=True)
async def test_a_server_that_fails_or_asks_for_a_pause_is_asked_again_later(desk: Desk):
    assert desk.server is not None
    for status in (429, 500, 503, 504):
        desk.server.faults.active.append(
            Fault("GET /api/v1/namespaces/default$", fail_status=status, times=1)
        )
        with pytest.raises(Unavailable) as caught:
            await desk.api.get(NAMESPACE, "default")
        assert caught.value.retry_at is None or caught.value.retry_at < datetime.now(UTC) + timedelta(
            minutes=6
        )
    desk.server.deny("get", "namespaces")
    with pytest.raises(Rejected, match='cannot get resource "namespaces"'):
        await desk.api.get(NAMESPACE, "default")


async def test_nobody_there_is_told_soon(tmp_path: Path):
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(never, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    path = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    config = {
        "current-context": "x",
        "clusters": [cluster],
        "contexts": [context],
        "users": [{"name": "u", "user": {}}],
    }
    path.write_text(yaml.safe_dump(config))
    started = time.perf_counter()
    async with await connect(str(path)) as api:
        with pytest.raises(Unavailable, match="does not answer"):
            await api.get(NAMESPACE, "default")
        listener.close()
        await listener.wait_closed()
        with pytest.raises(Unavailable, match="does not answer"):
            await api.get(NAMESPACE, "default")
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "does not exist"),
        ("not: [yaml", "is not a valid kubeconfig"),
        ("", "is not a valid kubeconfig"),
        ("current-context: x", "is not a valid kubeconfig"),
        ("[]", "is not a valid kubeconfig"),
    ],
)
async def test_a_broken_kubeconfig_is_told_in_one_sentence(tmp_path: Path, text: str | None, told: str):
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConnectionFailed, match=told) as caught:
        await connect(str(path))
    assert str(path) in str(caught.value)


async def test_outside_of_a_cluster_and_without_a_kubeconfig_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConnectionFailed, match="No cluster is configured"):
        await connect(None)

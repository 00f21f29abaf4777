"""Checks of rights and the gateway, and errors of connections."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.cluster.client.connection import ConnectionFailed, connect
from bot.cluster.client.kinds import GATEWAY, NAMESPACE
from bot.cluster.rights import CLUSTER_RIGHTS, ENVIRONMENT_RIGHTS, Right, missing_rights
from bot.cluster.routing.gateway_check import gateway_problem
from bot.embedded.kubernetes.faults import Fault
from bot.model.errors import Rejected, Unavailable
from tests.contract.cluster_harness import Harness, make_gateway


async def test_bot_has_its_rights_after_preparation(harness: Harness):
    assert await missing_rights(harness.api, CLUSTER_RIGHTS) == []
    await harness.prepare()
    assert await missing_rights(harness.api, ENVIRONMENT_RIGHTS, harness.namespace) == []


@pytest.mark.parametrize("harness", ["embedded"], indirect=True)
async def test_missing_rights_are_listed(harness: Harness):
    assert harness.server is not None
    harness.server.deny("delete", "namespaces")
    harness.server.deny("get", "gateways")
    assert await missing_rights(harness.api, CLUSTER_RIGHTS) == [
        Right("", "namespaces", "delete"),
        Right("gateway.networking.k8s.io", "gateways", "get"),
    ]
    harness.server.access.denials.clear()


async def test_gateway_problem_has_the_reason(harness: Harness):
    where = f"{harness.policy.gateway_namespace}/main"
    problem = await gateway_problem(harness.api, harness.policy)
    assert problem is not None
    assert problem.startswith(f"Gateway {where} does not exist.")
    await make_gateway(harness)
    problem = await gateway_problem(harness.api, harness.policy)
    assert problem is not None
    assert problem.startswith(f"Gateway {where} is not accepted")


@pytest.mark.parametrize(
    ("listener", "message"),
    [
        ({}, None),
        ({"hostname": "*.preview.test"}, None),
        ({"hostname": "*.test"}, None),
        ({"hostname": "*.other.test"}, "serves *.other.test, not *.preview.test"),
        ({"hostname": "preview.test"}, "serves preview.test, not *.preview.test"),
        ({"allowedRoutes": {"namespaces": {"from": "Same"}}}, "its own namespace only"),
    ],
)
async def test_gateway_requires_a_listener_for_the_domain(
    harness: Harness, listener: dict[str, object], message: str | None
):
    await make_gateway(harness, **listener)
    await _permissions_propagated(harness)
    problem = await gateway_problem(harness.api, harness.policy)
    assert (problem is None) if message is None else (problem is not None and message in problem)


@pytest.mark.parametrize(
    ("listener", "carried"),
    [({}, True), ({"hostname": "*.test"}, True), ({"hostname": "*.preview.test"}, False)],
)
async def test_gateway_requires_a_listener_for_stage_hosts(
    harness: Harness, listener: dict[str, object], carried: bool
):
    await make_gateway(harness, **listener)
    await _permissions_propagated(harness)
    policy = replace(harness.policy, hosts=("shop.test",))
    message = await gateway_problem(harness.api, policy)
    assert message is None if carried else "no listener for shop.test" in (message or "")


async def _permissions_propagated(harness: Harness) -> None:
    """Sets conditions like a gateway controller."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    conditions = [
        {"type": kind, "status": "True", "reason": kind, "message": "", "lastTransitionTime": now}
        for kind in ("Accepted", "Programmed")
    ]
    await harness.observer.patch_status(
        GATEWAY, "main", {"conditions": conditions}, harness.policy.gateway_namespace
    )


@pytest.mark.parametrize("harness", ["embedded"], indirect=True)
async def test_invalid_token_is_unavailable(harness: Harness, tmp_path: Path):
    assert harness.server is not None
    config = harness.server.kubeconfig()
    config["users"] = [{"name": "greenroom-embedded", "user": {"token": "wrong"}}]
    config["clusters"] = [{"name": "greenroom-embedded", "cluster": {"server": harness.server.url}}]
    path = tmp_path / "wrong"
    path.write_text(yaml.safe_dump(config))
    async with await connect(str(path)) as api:
        with pytest.raises(Unavailable, match="Unauthorized"):
            await api.get(NAMESPACE, "default")


@pytest.mark.parametrize("harness", ["embedded"], indirect=True)
async def test_server_errors_and_rate_limits_are_unavailable(harness: Harness):
    assert harness.server is not None
    for status in (429, 500, 503, 504):
        harness.server.faults.active.append(
            Fault("GET /api/v1/namespaces/default$", fail_status=status, times=1)
        )
        with pytest.raises(Unavailable) as caught:
            await harness.api.get(NAMESPACE, "default")
        assert caught.value.retry_at is None or caught.value.retry_at < datetime.now(UTC) + timedelta(
            minutes=6
        )
    harness.server.deny("get", "namespaces")
    with pytest.raises(Rejected, match='cannot get resource "namespaces"'):
        await harness.api.get(NAMESPACE, "default")


async def test_unreachable_server_is_reported_quickly(tmp_path: Path):
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
    ("text", "message"),
    [
        (None, "does not exist"),
        *(
            (text, "it has no lists of clusters and contexts")
            for text in ("not: [yaml", "", "[]", "hello", "5")
        ),
        ("current-context: x", "it has no lists of clusters and contexts"),
        ("\0", "it has no lists of clusters and contexts"),
        ("-----BEGIN CERTIFICATE-----", "it has no lists of clusters and contexts"),
        ("{clusters: [], contexts: []}", "Expected key current-context"),
        ("{current-context: x, clusters: [], contexts: []}", "Expected object with name x"),
        (
            "{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}], "
            "clusters: [{name: c, cluster: {server: 5}}], users: [{name: u, user: {token: 1}}]}",
            "a field has the wrong type",
        ),
    ],
)
async def test_invalid_kubeconfig_is_reported(tmp_path: Path, text: str | None, message: str):
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConnectionFailed, match=message) as caught:
        await connect(str(path))
    assert str(path) in str(caught.value)
    assert "Correct KUBECONFIG" in str(caught.value)
    assert "NoneType" not in str(caught.value)


@pytest.mark.parametrize("harness", ["embedded"], indirect=True)
async def test_exec_plugin_gives_a_new_token_when_the_last_one_expires(harness: Harness, tmp_path: Path):
    assert harness.server is not None
    token, runs = tmp_path / "token", tmp_path / "runs"
    plugin = tmp_path / "plugin"
    expiry = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    plugin.write_text(
        f"""#!/bin/sh
echo run >> {runs}
echo '{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status":' \\
  '{{"token": "'$(cat {token})'", "expirationTimestamp": "{expiry}"}}}}'
"""
    )
    plugin.chmod(0o700)
    config: Any = harness.server.kubeconfig()
    right = config["users"][0]["user"]["token"]
    config["clusters"][0]["cluster"]["server"] = harness.server.url
    command = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(plugin),
        "interactiveMode": "Never",
    }
    config["users"][0]["user"] = {"exec": command}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    token.write_text("wrong")
    async with await connect(str(kubeconfig)) as api:
        with pytest.raises(Unavailable, match="Unauthorized"):
            await api.get(NAMESPACE, "default")
        token.write_text(right)
        await asyncio.sleep(1)
        assert (await api.get(NAMESPACE, "default"))["metadata"]["name"] == "default"
    assert len(runs.read_text().split()) > 1


async def test_failing_exec_plugin_is_reported(tmp_path: Path):
    kubeconfig = tmp_path / "kubeconfig"
    entry = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(tmp_path / "absent")}}
    config = {
        "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "users": [{"name": "u", "user": entry}],
    }
    kubeconfig.write_text(yaml.safe_dump(config))
    with pytest.raises(ConnectionFailed, match=r"exec plugin of .* returns no credentials"):
        await connect(str(kubeconfig))


async def test_missing_connection_settings_are_explained(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConnectionFailed, match="No cluster is configured"):
        await connect(None)

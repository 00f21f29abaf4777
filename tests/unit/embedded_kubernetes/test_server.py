"""What only the embedded API server has: its token, its faults, its request log, a short memory."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import httpx
import pytest
from kubernetes.aio import client, config
from kubernetes.aio.dynamic import DynamicClient

from bot.embedded.kubernetes import KubernetesServer

MAPS = "/api/v1/namespaces/default/configmaps"


async def test_nobody_gets_in_without_the_token(server: KubernetesServer) -> None:
    async with httpx.AsyncClient(base_url=server.url) as stranger:
        refused = await stranger.get(MAPS)
        wrong = await stranger.get(MAPS, headers={"Authorization": "Bearer guess"})
        path = await stranger.get(f"/token/guess{MAPS}")
        faults = await stranger.post("/_faults", json={"fail_status": 500})
        healthy = await stranger.get("/readyz")
    assert [answer.status_code for answer in (refused, wrong, path, faults)] == [401] * 4
    assert refused.json()["reason"] == "Unauthorized"
    assert healthy.text == "ok"


async def test_the_python_client_finds_kinds_and_applies(server: KubernetesServer, tmp_path: Path) -> None:
    await config.load_kube_config(str(server.write_kubeconfig(tmp_path / "kubeconfig")))
    async with client.ApiClient() as api:
        dynamic = await DynamicClient(api, cache_file=str(tmp_path / "discovery"))
        maps = await dynamic.resources.get(api_version="v1", kind="ConfigMap")
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"b": "c"}}
        made = await maps.server_side_apply(body, namespace="default", field_manager="bot")
        assert made.metadata.managedFields[0].manager == "bot"
        routes = await dynamic.resources.get(api_version="gateway.networking.k8s.io/v1", kind="HTTPRoute")
        assert routes.namespaced
        names = [
            item.to_dict()["metadata"]["name"]
            for item in (await client.CoreV1Api(api).list_namespace()).items
        ]
        assert names == ["default", "kube-system"]


async def test_a_fault_fails_as_often_as_it_is_told(
    server: KubernetesServer, http: httpx.AsyncClient
) -> None:
    await http.post("/_faults", json={"match": "^GET .*/configmaps", "fail_status": 503, "times": 2})
    codes = [(await http.get(MAPS)).status_code for _ in range(3)]
    assert codes == [503, 503, 200]
    assert (await http.post("/_faults", json={"surprise": 1})).status_code == 400


async def test_a_fault_can_fail_a_write_that_was_carried_out(http: httpx.AsyncClient) -> None:
    await http.post("/_faults", json={"match": "^POST", "fail_status": 502, "times": 1, "after": True})
    assert (await http.post(MAPS, json={"metadata": {"name": "a"}})).status_code == 502
    assert (await http.get(f"{MAPS}/a")).status_code == 200


async def test_a_hanging_server_hangs_until_the_fault_is_lifted(http: httpx.AsyncClient) -> None:
    await http.post("/_faults", json={"match": "/configmaps", "hang_seconds": 30})
    with pytest.raises(httpx.ReadTimeout):
        await http.get(MAPS, timeout=0.2)
    await http.delete("/_faults")
    assert (await http.get(MAPS)).status_code == 200


async def test_every_request_is_remembered(server: KubernetesServer, http: httpx.AsyncClient) -> None:
    await http.get(MAPS)
    await http.get(f"{MAPS}/none")
    assert [(call.method, call.path, call.status) for call in server.calls] == [
        ("GET", MAPS, 200),
        ("GET", f"{MAPS}/none", 404),
    ]
    assert (await http.get("/_requests")).json()[0] == {"method": "GET", "path": MAPS, "status": 200}


async def test_a_watch_from_a_forgotten_version_is_told_to_list_again(http: httpx.AsyncClient) -> None:
    first = (await http.get(MAPS)).json()["metadata"]["resourceVersion"]
    for number in range(25):
        await http.post(MAPS, json={"metadata": {"name": f"m{number}"}})
    answer = await http.get(MAPS, params={"watch": "1", "resourceVersion": first})
    event = json.loads(answer.text)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


async def test_a_watch_ends_when_the_server_stops() -> None:
    server = KubernetesServer()
    await server.start()
    headers = {"Authorization": f"Bearer {server.token}"}
    async with (
        httpx.AsyncClient(base_url=server.url, headers=headers, timeout=5) as http,
        http.stream("GET", MAPS, params={"watch": "1"}) as answer,
    ):
        begun = time.monotonic()
        await server.stop()
        assert [line async for line in answer.aiter_lines()] == []
    assert time.monotonic() - begun < 2


async def test_two_hundred_watchers_hear_of_a_write_at_once(
    http: httpx.AsyncClient, server: KubernetesServer
) -> None:
    limits = httpx.Limits(max_connections=None)
    headers = {"Authorization": f"Bearer {server.token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, limits=limits, timeout=10) as many:

        async def first_line() -> str:
            query = {"watch": "1", "fieldSelector": "metadata.name=news"}
            async with many.stream("GET", MAPS, params=query) as answer:
                return await anext(answer.aiter_lines())

        watchers = [asyncio.create_task(first_line()) for _ in range(200)]
        for _ in range(1000):
            if sum(call.path == MAPS for call in server.calls) == 200:
                break
            await asyncio.sleep(0.01)
        await http.post(MAPS, json={"metadata": {"name": "news"}})
        lines = await asyncio.wait_for(asyncio.gather(*watchers), 5)
    assert all('"ADDED"' in line for line in lines)


async def test_a_log_comes_from_the_node_of_the_pod(http: httpx.AsyncClient) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[1])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n")
        await writer.drain()
        writer.close()

    kubelet = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = kubelet.sockets[0].getsockname()[1]
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await http.post("/api/v1/nodes", json={"metadata": {"name": "here"}, "status": status})
    spec = {"nodeName": "here", "containers": [{"name": "web", "image": "shop:1"}]}
    pods = "/api/v1/namespaces/default/pods"
    await http.post(pods, json={"metadata": {"name": "shop"}, "spec": spec})
    log = await http.get(f"{pods}/shop/log", params={"tailLines": "5"})
    assert log.text == "hello\n"
    assert asked == ["/containerLogs/default/shop/web?tailLines=5"]
    kubelet.close()
    await kubelet.wait_closed()
    gone = await http.get(f"{pods}/shop/log")
    assert gone.status_code == 500
    assert "an error on the server" in gone.json()["message"]


async def test_a_body_that_is_no_object_is_a_bad_request(http: httpx.AsyncClient) -> None:
    for body in ("[]", "null", "7", '"text"', "{", '{"metadata": []}'):
        answer = await http.post(MAPS, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}, body
        assert answer.json()["kind"] == "Status"


async def test_bound_claim_can_grow(http: httpx.AsyncClient) -> None:
    path = "/api/v1/namespaces/default/persistentvolumeclaims"
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await http.post(path, json={"metadata": {"name": "data"}, "spec": spec})
    media = {"content-type": "application/merge-patch+json"}
    status = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
    await http.patch(f"{path}/data/status", json=status, headers=media)
    larger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    answer = await http.patch(f"{path}/data", json=larger, headers=media)
    assert answer.json()["spec"]["resources"]["requests"] == {"storage": "2Gi"}

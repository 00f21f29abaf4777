"""Features of the embedded API server: token, faults, request log, short history."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest

from bot.embedded.kubernetes import KubernetesServer

MAPS = "/api/v1/namespaces/default/configmaps"


async def test_token_is_required(server: KubernetesServer) -> None:
    async with httpx.AsyncClient(base_url=server.url) as anonymous:
        refused = await anonymous.get(MAPS)
        wrong = await anonymous.get(MAPS, headers={"Authorization": "Bearer guess"})
        path = await anonymous.get(f"/token/guess{MAPS}")
        faults = await anonymous.post("/_faults", json={"fail_status": 500})
        healthy = await anonymous.get("/readyz")
    assert [answer.status_code for answer in (refused, wrong, path, faults)] == [401] * 4
    assert refused.json()["reason"] == "Unauthorized"
    assert healthy.text == "ok"


async def test_fault_fails_a_number_of_times(server: KubernetesServer, http: httpx.AsyncClient) -> None:
    await http.post("/_faults", json={"match": "^GET .*/configmaps", "fail_status": 503, "times": 2})
    codes = [(await http.get(MAPS)).status_code for _ in range(3)]
    assert codes == [503, 503, 200]
    assert (await http.post("/_faults", json={"surprise": 1})).status_code == 400


async def test_fault_can_fail_a_completed_write(http: httpx.AsyncClient) -> None:
    await http.post("/_faults", json={"match": "^POST", "fail_status": 502, "times": 1, "after": True})
    assert (await http.post(MAPS, json={"metadata": {"name": "a"}})).status_code == 502
    assert (await http.get(f"{MAPS}/a")).status_code == 200


async def test_fault_hangs_until_cleared(http: httpx.AsyncClient) -> None:
    await http.post("/_faults", json={"match": "/configmaps", "hang_seconds": 30})
    with pytest.raises(httpx.ReadTimeout):
        await http.get(MAPS, timeout=0.2)
    await http.delete("/_faults")
    assert (await http.get(MAPS)).status_code == 200


async def test_requests_are_logged(server: KubernetesServer, http: httpx.AsyncClient) -> None:
    await http.get(MAPS)
    await http.get(f"{MAPS}/none")
    assert [(call.method, call.path, call.status) for call in server.calls] == [
        ("GET", MAPS, 200),
        ("GET", f"{MAPS}/none", 404),
    ]


async def test_watch_from_an_old_version_expires(http: httpx.AsyncClient) -> None:
    first = (await http.get(MAPS)).json()["metadata"]["resourceVersion"]
    for number in range(25):
        await http.post(MAPS, json={"metadata": {"name": f"m{number}"}})
    answer = await http.get(MAPS, params={"watch": "1", "resourceVersion": first})
    event = json.loads(answer.text)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


async def test_watch_ends_when_the_server_stops() -> None:
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


async def test_many_watchers_receive_a_write(http: httpx.AsyncClient, server: KubernetesServer) -> None:
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


async def test_log_is_read_from_the_node(http: httpx.AsyncClient) -> None:
    paths: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        paths.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[1])
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
    assert paths == ["/containerLogs/default/shop/web?tailLines=5"]
    kubelet.close()
    await kubelet.wait_closed()
    gone = await http.get(f"{pods}/shop/log")
    assert gone.status_code == 500
    assert "an error on the server" in gone.json()["message"]


async def test_invalid_body_is_a_bad_request(http: httpx.AsyncClient) -> None:
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

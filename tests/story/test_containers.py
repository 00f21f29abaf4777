"""What only real containers, a kubelet, kube-proxy and a network plugin show."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

from bot.cluster.client.kinds import JOB, NAMESPACE
from tests.node.cluster import ADDRESS
from tests.story.conftest import PATIENCE_SECONDS, Scenario, node_only

pytestmark = node_only

_SCRIPTS = Path(__file__).parents[1] / "node" / "scripts"
_MANIFESTS = "deploy/hello.yaml"
_CONTAINER = b"          ports: [{containerPort: 28080}]\n"
_LIMIT = b"          resources: {requests: {memory: 64Mi}, limits: {memory: 64Mi}}\n"
_ALLOCATE = b"import os\nheld = bytearray(512 * 1024 * 1024)\n"
_CONNECT = b"""import os, socket

def reach(address):
    try:
        socket.create_connection(address, timeout=2).close()
        return "reached"
    except OSError:
        return "closed"

targets = [("ADDRESS", 26443), ("10.214.0.1", 443), ("ADDRESS", 25000), ("ADDRESS", 20250)]
os.chdir("/tmp")
open("sentence.txt", "w").write(", ".join(reach(target) for target in targets))
"""
_UPGRADE = b"""    def do_GET(self):
        if self.headers.get("Upgrade") == "websocket":
            self.protocol_version = "HTTP/1.1"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.wfile.write(self.rfile.read(5).upper())
            return
"""


async def test_four_previews_with_data_at_once(scenario: Scenario) -> None:
    branches = ("spring", "summer", "autumn", "winter")
    numbers = [await scenario.open(branch, scenario.files("spring")) for branch in branches]
    await asyncio.gather(*(scenario.wait_until_ready(number) for number in numbers))
    for number in numbers:
        assert "seeded once" in (await scenario.page(number)).text
    assert not any("failed" in body for number in numbers for body in scenario.comments(number))


async def test_container_out_of_memory_is_named(small: Scenario) -> None:
    files = small.hello()
    files[_MANIFESTS] = files[_MANIFESTS].replace(_CONTAINER, _CONTAINER + _LIMIT)
    files["serve.py"] = files["serve.py"].replace(b"import os\n", _ALLOCATE)
    number = await small.open("greedy", files)
    comment = await small.comment_with(number, "failed")
    assert "memory" in comment
    assert "64Mi" in comment
    await small.push("greedy", small.hello("Modest."))
    await small.wait_until_ready(number)


async def test_missing_image_of_a_sidecar_is_named(small: Scenario) -> None:
    files = small.hello()
    missing = f"{small.world.registry_host}/acme/none:1"
    files[_MANIFESTS] += f"        - {{name: none, image: '{missing}'}}\n".encode()
    number = await small.open("missing", files)
    comment = await small.comment_with(number, "acme/none:1")
    assert "not found" in comment


async def test_pod_that_is_never_ready_fails_with_the_probes_answer(small: Scenario) -> None:
    files = small.hello()
    manifests = files[_MANIFESTS].replace(b"path: /, port: 28080", b"path: /, port: 28081")
    files[_MANIFESTS] = manifests.replace(
        b"spec:\n  selector: {match", b"spec:\n  progressDeadlineSeconds: 15\n  selector: {match"
    )
    number = await small.open("never", files)
    comment = await small.comment_with(number, "failed")
    assert "connection refused" in comment


async def test_namespace_deleted_by_hand_is_made_again(small: Scenario) -> None:
    number = await small.open("spring", small.hello("Again."))
    await small.wait_until_ready(number)
    before = await _uid(small, number)
    await small.world.client.delete(NAMESPACE, small.namespace(number))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await _uid(small, number) in (before, None):
        assert time.monotonic() < deadline, "it is not made again"
        await asyncio.sleep(0.2)
    await small.at_rest()
    await small.wait_until_ready(number)
    assert (await small.page(number)).text == "Again."


async def _uid(scenario: Scenario, number: int) -> str | None:
    namespace = await scenario.world.client.find(NAMESPACE, scenario.namespace(number))
    return namespace["metadata"]["uid"] if namespace else None


async def test_kubelet_and_containerd_restart_during_a_rollout(small: Scenario) -> None:
    number = await small.open("spring", small.hello("One."))
    await small.wait_until_ready(number)
    await small.push("spring", small.hello("Two."))
    await asyncio.sleep(1)
    await asyncio.to_thread(subprocess.check_call, [_SCRIPTS / "restart", "containerd", "kubelet"])
    await small.wait_until_ready(number)
    assert (await small.page(number)).text == "Two."


async def test_close_while_seeding_and_reopen_at_once(scenario: Scenario) -> None:
    number = await scenario.open("spring", scenario.files("spring"))
    await _seeding(scenario, number)
    await scenario.close(number)
    await scenario.delivered()
    await scenario.reopen(number)
    await scenario.wait_until_ready(number)
    assert "Basil" in (await scenario.page(number)).text
    await scenario.close(number)
    await scenario.no_namespace()


async def _seeding(scenario: Scenario, number: int) -> None:
    """Waits for the first Job of the data phase."""
    namespace, deadline = scenario.namespace(number), time.monotonic() + PATIENCE_SECONDS
    while not (await scenario.world.client.list(JOB, namespace)).items:
        assert time.monotonic() < deadline, "no Job"
        await asyncio.sleep(0.05)


async def test_pod_of_a_fork_reaches_nothing_private(small: Scenario) -> None:
    files = small.hello()
    connect = _CONNECT.replace(b"ADDRESS", ADDRESS.encode())
    files["serve.py"] = files["serve.py"].replace(b"import os\n", connect)

    number = await small.fork(files)
    await small.comment_with(number, "This pull request has no preview")
    await small.comment(number, "/preview")
    await small.wait_until_ready(number)
    assert (await small.page(number)).text == "closed, closed, closed, closed"


async def test_websocket_passes_the_gateway(small: Scenario) -> None:
    files = small.hello()
    files["serve.py"] = files["serve.py"].replace(b"    def do_GET(self):\n", _UPGRADE)
    number = await small.open("socket", files)
    await small.wait_until_ready(number)
    host = (await small.page(number)).request.headers["Host"]
    address, _, port = small.world.gateway_address.rpartition(":")
    reader, writer = await asyncio.open_connection(address, int(port))
    headers = f"Host: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    writer.write(
        f"GET / HTTP/1.1\r\n{headers}\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
    )
    async with asyncio.timeout(10):
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"HELLO"
    writer.close()
    await writer.wait_closed()

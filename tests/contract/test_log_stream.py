"""Logs are followed line by line, without injected secrets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from bot.cluster.client.kinds import NODE, POD
from bot.cluster.health.log_stream import LogLine, follow_logs
from bot.embedded.bot_process import free_port
from bot.model.errors import Unavailable
from tests.contract.cluster_harness import APP_ID, Harness

pytestmark = pytest.mark.parametrize("harness", ["embedded"], indirect=True)


class Kubelet:
    """A node that serves the log of any container as it is written."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.queries: list[dict[str, str]] = []
        self.port = free_port()

        routes = [Route("/containerLogs/{namespace}/{pod}/{container}", self._log)]
        config = uvicorn.Config(Starlette(routes=routes), port=self.port, log_config=None, lifespan="off")
        self.server = uvicorn.Server(config)

    async def _log(self, request: Request) -> StreamingResponse:
        self.queries.append(dict(request.query_params))

        async def written() -> AsyncIterator[bytes]:
            while (piece := await self.pieces.get()) is not None:
                yield piece

        return StreamingResponse(written())


@pytest.fixture
async def kubelet(harness: Harness) -> AsyncIterator[Kubelet]:
    await harness.prepare()
    kubelet = Kubelet()
    serving = asyncio.create_task(kubelet.server.serve())
    address = {"type": "InternalIP", "address": "127.0.0.1"}
    endpoint = {"kubeletEndpoint": {"Port": kubelet.port}}
    await harness.observer.create(NODE, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}})
    await harness.observer.patch_status(NODE, "one", {"addresses": [address], "daemonEndpoints": endpoint})
    spec = {"nodeName": "one", "containers": [{"name": "shop", "image": "shop:1"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop-1"}, "spec": spec}
    await harness.observer.create(POD, pod, harness.namespace)
    status = {"name": "shop", "image": "", "imageID": "", "ready": True, "restartCount": 0}
    running = {**status, "state": {"running": {"startedAt": "2026-11-29T14:00:00Z"}}}
    await harness.observer.patch_status(POD, "shop-1", {"containerStatuses": [running]}, harness.namespace)
    yield kubelet
    kubelet.server.should_exit = True
    await serving


async def test_lines_are_shown_as_they_are_written(harness: Harness, kubelet: Kubelet) -> None:
    lines = follow_logs(harness.api, APP_ID, harness.namespace, harness.key, 5)
    kubelet.pieces.put_nowait(b"one\ntw")
    assert await anext(lines) == LogLine("shop-1", "shop", "one")
    kubelet.pieces.put_nowait(b"o\n\x1b[31mred\n" + b"x" * 20_000 + b"\nlast")
    kubelet.pieces.put_nowait(None)
    texts = [line.text async for line in lines]
    assert texts[:2] == ["two", "red"]
    assert "".join(texts[2:-1]) == "x" * 20_000
    assert max(map(len, texts)) <= 16_384
    assert texts[-1] == "last"
    assert kubelet.queries == [{"tailLines": "5", "follow": "true"}]


async def test_namespace_that_does_not_exist_is_reported(harness: Harness) -> None:
    with pytest.raises(Unavailable, match="does not exist"):
        await anext(follow_logs(harness.api, APP_ID, "gr-missing", harness.key, 5))

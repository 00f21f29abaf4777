"""What the log shows while a cluster does not answer: one line when it stops, one when it answers again."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from structlog.testing import capture_logs

from bot.cluster.client.connection import connect
from bot.cluster.watch import Watcher
from bot.embedded.bot_process import free_port
from bot.embedded.kubernetes import KubernetesServer


async def test_outage_of_the_api_server_is_two_lines(tmp_path: Path) -> None:
    port = free_port()
    async with KubernetesServer(port) as server:
        kubeconfig, token = server.write_kubeconfig(tmp_path / "kubeconfig"), server.token
    async with await connect(kubeconfig) as api:
        with capture_logs() as lines:
            watching = asyncio.create_task(Watcher(api).run(lambda key: None))
            await asyncio.sleep(3)
            loud = [line for line in lines if line["log_level"] != "debug"]
            assert [line["event"] for line in loud] == ["service unreachable"]
            assert str(port) in loud[0]["reason"]
            async with KubernetesServer(port, token):
                async with asyncio.timeout(60):
                    while loud[-1]["event"] != "service reachable again":
                        await asyncio.sleep(0.1)
                        loud = [line for line in lines if line["log_level"] != "debug"]
                watching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watching
    assert len(loud) == 2

"""`greenroom serve` as a process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import yaml

from tests.unit.cli.conftest import Bot
from tests.unit.cli.process import run_process


async def test_serves_until_sigterm(bot: Bot, settings: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=await bot.url()) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).json() == {"ready": True, "problems": {}}
        unsigned = await client.post("/webhooks", content=b"{}", headers={"X-Hub-Signature-256": "sha256=0"})
        assert unsigned.status_code == 401
        metrics = (await client.get("/metrics")).text
    assert 'greenroom_deliveries_total{event="other",status="401"} 1.0' in metrics
    assert "greenroom_queue_oldest_seconds" in metrics
    await _assert_used_port_is_reported((await bot.url()).rpartition(":")[2], settings)

    assert await bot.stop() == 0
    assert bot.lines()[-1]["event"] == "drained"
    log = bot.log.read_text()
    assert settings["GREENROOM_WEBHOOK_SECRET"] not in log
    assert "PRIVATE KEY" not in log


async def _assert_used_port_is_reported(port: str, settings: dict[str, str]) -> None:
    done = await asyncio.to_thread(run_process, "serve", "--port", port, **settings)
    assert done.returncode == 2
    assert f"Cannot listen on 127.0.0.1, port {port}" in done.stderr
    assert "Traceback" not in done.stderr


async def test_unconfined_account_does_not_start(settings: dict[str, str], tmp_path: Path) -> None:
    administrator = {**settings, "KUBECONFIG": str(tmp_path / "kubeconfig")}
    done = await asyncio.to_thread(run_process, "serve", "--port", "0", **administrator)
    assert done.returncode == 2
    assert "Greenroom must use a ServiceAccount in the cluster" in done.stderr
    assert "Traceback" not in done.stderr


async def test_starts_while_the_cluster_does_not_answer(settings: dict[str, str], tmp_path: Path) -> None:
    bot = Bot({**settings, "KUBECONFIG": str(_without_cluster(tmp_path))}, tmp_path)
    assert "does not answer" in str((await bot.line("admission policy not tested yet"))["reason"])
    await bot.url()
    assert await bot.stop() == 0


def _without_cluster(folder: Path) -> Path:
    config = yaml.safe_load((folder / "bot-kubeconfig").read_text())
    config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    path = folder / "nowhere"
    path.write_text(yaml.safe_dump(config))
    return path


async def test_missing_kubeconfig_is_reported(settings: dict[str, str]) -> None:
    done = await asyncio.to_thread(run_process, "serve", "--port", "0", **{**settings, "KUBECONFIG": "/none"})
    assert done.returncode == 2
    assert "/none" in done.stderr
    assert "Traceback" not in done.stderr

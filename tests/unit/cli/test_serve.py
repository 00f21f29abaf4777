"""`greenroom serve` as a process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import yaml

from bot.cluster.client.connection import connect
from bot.embedded.github import GitHubServer
from bot.embedded.installation import install
from bot.embedded.kubernetes import KubernetesServer
from tests.unit.cli.process import BARE_ENVIRONMENT, GREENROOM, imported_modules, run_process

_TIMEOUT_SECONDS = 60


class Bot:
    """A `greenroom serve` on a free port; its log goes to a file."""

    def __init__(self, settings: dict[str, str], folder: Path) -> None:
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*GREENROOM, "serve", "--port", "0"],
                env={**BARE_ENVIRONMENT, **settings},
                cwd=folder,
                stderr=log,
            )

    async def url(self) -> str:
        return str((await self.line("listening"))["address"])

    async def line(self, event: str) -> dict[str, object]:
        """The first log line with this event."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.lines():
                if line["event"] == event:
                    return line
            await asyncio.sleep(0.05)
        raise AssertionError(f"no {event!r} in the log:\n{self.log.read_text()}")

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    async def stop(self) -> int:
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, _TIMEOUT_SECONDS)


@pytest.fixture
async def settings(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    async with KubernetesServer() as kubernetes:
        administrator = kubernetes.write_kubeconfig(tmp_path / "kubeconfig")
        with GitHubServer() as github:
            async with await connect(administrator) as client:
                own = tmp_path / "bot-kubeconfig"
                await install(client, github.credentials.app_id, administrator, own, kubernetes)
            yield {
                "KUBECONFIG": str(own),
                "GREENROOM_GITHUB_API_URL": github.api_url,
                "GREENROOM_GITHUB_APP_ID": str(github.credentials.app_id),
                "GREENROOM_GITHUB_PRIVATE_KEY": github.credentials.private_key,
                "GREENROOM_WEBHOOK_SECRET": github.credentials.webhook_secret,
                "GREENROOM_PUBLIC_URL": "https://greenroom.example.com",
                "GREENROOM_BASE_DOMAIN": "http://preview.localhost:8080",
                "GREENROOM_GATEWAY": "gateways/public",
                "GREENROOM_DATABASE_URL": f"sqlite:///{tmp_path / 'greenroom.db'}",
            }


@pytest.fixture
async def bot(settings: dict[str, str], tmp_path: Path) -> AsyncIterator[Bot]:
    running = Bot(settings, tmp_path)
    yield running
    running.process.kill()
    running.process.wait()


async def test_serves_health_and_metrics(bot: Bot) -> None:
    async with httpx.AsyncClient(base_url=await bot.url()) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).json() == {"ready": True, "problems": {}}
        assert (await client.post("/webhooks", content=b"{}")).status_code == 401
        metrics = (await client.get("/metrics")).text
    assert 'greenroom_deliveries_total{event="other",status="401"} 1.0' in metrics
    assert "greenroom_queue_oldest_seconds" in metrics


async def test_sigterm_drains_and_exits_with_0(bot: Bot) -> None:
    await bot.url()
    assert await bot.stop() == 0
    assert bot.lines()[-1]["event"] == "drained"


async def test_log_contains_no_secret(bot: Bot, settings: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=await bot.url()) as client:
        await client.post("/webhooks", content=b"{}", headers={"X-Hub-Signature-256": "sha256=0"})
    await bot.stop()
    log = bot.log.read_text()
    assert settings["GREENROOM_WEBHOOK_SECRET"] not in log
    assert "PRIVATE KEY" not in log


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


async def test_used_port_is_reported(bot: Bot, settings: dict[str, str]) -> None:
    port = (await bot.url()).rpartition(":")[2]
    done = await asyncio.to_thread(run_process, "serve", "--port", port, **settings)
    assert done.returncode == 2
    assert f"Cannot listen on 127.0.0.1, port {port}" in done.stderr
    assert "Traceback" not in done.stderr


async def test_missing_kubeconfig_is_reported(settings: dict[str, str]) -> None:
    done = await asyncio.to_thread(run_process, "serve", "--port", "0", **{**settings, "KUBECONFIG": "/none"})
    assert done.returncode == 2
    assert "/none" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_never_imports_the_embedded_servers() -> None:
    loaded = imported_modules("import bot.cli.main, bot.app, bot.server, bot.logging, bot.settings")
    assert not [name for name in loaded if name.startswith("bot.embedded")]

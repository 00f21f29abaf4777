"""Fixtures: a `greenroom serve` process with the embedded GitHub and Kubernetes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cluster.client.connection import connect
from bot.embedded.github import GitHubServer
from bot.embedded.installation import install
from bot.embedded.kubernetes import KubernetesServer
from tests.unit.cli.process import BARE_ENVIRONMENT, GREENROOM

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

"""A running bot in an embedded world, or with a real control plane; the bench plays the users."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import yaml

from bot.config.loader import CONFIG_FILE
from bot.embedded.bot_process import BotProcess, free_port
from bot.embedded.registry.layout import Layout
from bot.embedded.world import DOMAIN, NodeCluster, World
from bot.model.environment import EnvironmentKey
from bot.model.naming import host_label
from tests.story.conftest import Scenario, Site

_REPOSITORY = "acme/shop"
_LOOK_SECONDS = 0.02


class BuiltOnceWorld(World):
    """Its CI does not build a commit again that another branch gets: a measured push would share its time."""

    def _build(self, repository: str, sha: str, files: dict[str, bytes]) -> None:
        if Layout(self.folder / "registry", self._image(repository)).resolve(sha) is None:
            super()._build(repository, sha, files)


class MeasuredScenario(Scenario):
    """A scenario for measurements; the sample shop has no named checks."""

    application: dict[str, bytes]
    """What the repository's default branch has."""

    def files(self, look: str = "spring") -> dict[str, bytes]:
        files = super().files(look)
        configuration = yaml.safe_load(files[CONFIG_FILE])
        configuration["preview"].pop("checks", None)
        return files | {CONFIG_FILE: yaml.safe_dump(configuration).encode()}

    def host(self, number: int) -> str:
        """The preview's host name, without port."""
        return f"{host_label(*self._names(number))}.{DOMAIN}"

    def stage_host(self, name: str) -> str:
        """A stage's host name, without port."""
        _, repository = self._names(0)
        return f"{host_label(EnvironmentKey.stage(repository.id, name), repository)}.{DOMAIN}"

    async def digest(self, commit: str) -> str:
        """The digest of a commit's image."""
        name = self.repository.lower()
        image = Layout(self.world.folder / "registry", name).resolve(commit)
        assert image is not None, "the image is not built"
        return image.digest


@asynccontextmanager
async def measured_scenario(
    cluster: Path | NodeCluster | None = None, *, small: bool = False, pipeline: bytes = b""
) -> AsyncIterator[MeasuredScenario]:
    """`small`: the application is one pod that serves one sentence, not the sample shop."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as temporary:
        folder = Path(temporary)
        async with BuiltOnceWorld(folder / "world", cluster) as world:
            port = free_port()
            # Scenarios of one run may share a cluster, and namespaces have the names of repositories' ids.
            world.github.world.state.counters["repository"] = 10**6 + secrets.randbelow(10**9)
            await asyncio.to_thread(_populate, world, f"http://127.0.0.1:{port}/webhooks")
            settings = world.settings(f"http://127.0.0.1:{port}", folder / "bot.db")
            async with BotProcess(port, settings, folder / "bot.log") as bot:
                scenario = MeasuredScenario(Site(world, bot, folder / "bot.db", settings), _REPOSITORY)
                files = scenario.hello() if small else scenario.files()
                scenario.application = {**files, CONFIG_FILE: files[CONFIG_FILE] + pipeline}
                await scenario.create(scenario.application)
                yield scenario


async def until_answer(scenario: MeasuredScenario, host: str, words: Sequence[str], seconds: float) -> float:
    """Sends requests through the gateway until a page has all of these words; returns when.

    TimeoutError with what the gateway returned last, if it is too late.
    """
    world, last = scenario.world, "no response"
    headers = {"Host": f"{host}:{world.gateway_port}"}
    deadline = time.monotonic() + seconds
    async with httpx.AsyncClient(trust_env=False, headers=headers) as visitor:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                response = await visitor.get(f"http://{world.gateway_address}/", timeout=1)
                last = f"{response.status_code} {response.text[:200]}"
                if all(word in response.text for word in words):
                    return time.perf_counter()
            await asyncio.sleep(_LOOK_SECONDS)
    raise TimeoutError(f"{host} does not show {words} after {seconds} s; the last response was {last}")


def _populate(world: World, webhook: str) -> None:
    github = world.github
    github.accounts.create_user("ada")
    github.accounts.create_organization("acme", admins=("ada",))
    github.apps.set_webhook(webhook)
    github.apps.install("acme", by="ada")

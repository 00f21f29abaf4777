"""A bot at work in an embedded world, or in one whose cluster is real; people are played by the bench."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from bot.embedded.bot_process import BotProcess, free_port
from bot.embedded.world import DOMAIN, World
from bot.model.naming import host_label
from tests.story.conftest import Scenario, Site

_REPOSITORY = "acme/shop"


class Stage(Scenario):
    """A scenario that is measured; the sample shop is without named checks."""

    def files(self, look: str = "spring") -> dict[str, bytes]:
        files = super().files(look)
        configuration = yaml.safe_load(files[".greenroom.yml"])
        configuration["preview"].pop("checks", None)
        return files | {".greenroom.yml": yaml.safe_dump(configuration).encode()}

    def host(self, number: int) -> str:
        """The preview's host name, without port."""
        return f"{host_label(*self._names(number))}.{DOMAIN}"


@asynccontextmanager
async def stage(kubeconfig: Path | None = None, *, small: bool = False) -> AsyncIterator[Stage]:
    """`small`: the repository has one pod that says one sentence, not the sample shop."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as temporary:
        folder = Path(temporary)
        async with World(folder / "world", kubeconfig) as world:
            port = free_port()
            await asyncio.to_thread(_populate, world, f"http://127.0.0.1:{port}/webhooks")
            settings = world.settings(f"http://127.0.0.1:{port}", folder / "bot.db")
            async with BotProcess(port, settings, folder / "bot.log") as bot:
                made = Stage(Site(world, bot, folder / "bot.db", settings), _REPOSITORY)
                await made.create(made.hello() if small else made.files())
                yield made


def _populate(world: World, webhook: str) -> None:
    github = world.github
    github.accounts.create_user("ada")
    github.accounts.create_organization("acme", admins=("ada",))
    github.apps.set_webhook(webhook)
    github.apps.install("acme", by="ada")

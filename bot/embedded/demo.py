"""`greenroom demo`: the whole story of a pull request, played on this machine."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Callable
from html import unescape

import httpx
from rich.console import Console
from rich.live import Live
from rich.table import Table

from bot.embedded.bot_process import BotProcess
from bot.embedded.client.resources import NAMESPACES
from bot.embedded.github import PreparedPush
from bot.embedded.samples import LOOKS, failing_smoke, restyle, shop_files
from bot.embedded.samples.commits import broken_start
from bot.embedded.world import World
from bot.model.environment import Environment, EnvironmentKey, EnvironmentState, Phase
from bot.store import Store

REPOSITORY = "acme/shop"
_PATIENCE_SECONDS = 60


class DemoFailed(Exception):
    """The story did not go as told."""


class Demo:
    """Plays the story and tells it on the console."""

    def __init__(self, console: Console, world: World, bot: BotProcess, store: Store) -> None:
        self._console = console
        self._world = world
        self._github = world.github
        self._bot = bot
        self._store = store

    async def play(self) -> None:
        number = await self._open("spring", "Spring in the shop")
        environment = await self._watch(number, until=EnvironmentState.READY)
        first = await self._visit(environment)
        self._say("[b]ada[/b] pushes a second commit to the same pull request")
        await self._push("spring", "autumn")
        environment = await self._watch(number, until=EnvironmentState.READY, after=environment)
        second = await self._visit(environment)
        if first == second:
            raise DemoFailed("the second commit shows the same shop as the first")
        self._checks(environment)
        await self._comment(number, "is ready")
        self._say("[b]ada[/b] closes the pull request")
        await asyncio.to_thread(self._github.pulls.close, REPOSITORY, number, by="ada")
        environment = await self._watch(number, until=EnvironmentState.GONE)
        if await self._world.client.find(NAMESPACES, environment.namespace) is not None:
            raise DemoFailed(f"the namespace {environment.namespace} is still there")
        self._say(f"the namespace [b]{environment.namespace}[/b] is gone, and the comment says so:")
        await self._comment(number, "is gone")

    async def stay(self) -> None:
        """A fresh pull request for whoever sits at the terminal; until Ctrl-C."""
        number = await self._open("night", "The night market")
        environment = await self._watch(number, until=EnvironmentState.READY)
        self._console.print()
        self._console.print(
            "[b]It stays up for you.[/b] Push, comment, close and reopen on the pull request:"
        )
        self._console.print(f"  pull request  {self._github.url}/{REPOSITORY}/pull/{number}")
        self._console.print(f"  preview       {environment.status.url}")
        self._console.print(
            f"  kubectl       --kubeconfig {self._world.kubeconfig} -n {environment.namespace}"
        )
        self._console.print("Ctrl-C ends it.")
        await asyncio.Event().wait()

    async def _open(self, look: str, title: str) -> int:
        self._say(f"[b]ada[/b] opens the pull request [b]{title}[/b]")
        await self._push(look, look)
        pull = await asyncio.to_thread(self._github.pulls.open, REPOSITORY, look, by="ada", title=title)
        self._say(f"{self._github.url}/{REPOSITORY}/pull/{pull.number}")
        return int(pull.number)

    async def _push(self, branch: str, look: str) -> None:
        files = restyle(shop_files(self._world.registry.host), LOOKS[look])
        await asyncio.to_thread(self._github.repositories.push, REPOSITORY, branch, files, by="ada")

    async def _watch(
        self, number: int, *, until: EnvironmentState, after: Environment | None = None
    ) -> Environment:
        """Shows the phases live until the state is reached, by another commit than `after`'s."""
        started = time.monotonic()
        environment: Environment | None = None
        with Live(console=self._console, refresh_per_second=10, transient=False) as live:
            while time.monotonic() - started < _PATIENCE_SECONDS:
                environment = await self._read(number)
                if environment is not None:
                    live.update(_phases(environment))
                    status = environment.status
                    moved = after is None or status.commit != after.status.commit
                    if status.state is until and moved:
                        return environment
                    if status.state is EnvironmentState.FAILED and moved:
                        cause = status.cause
                        raise DemoFailed(
                            f"{cause.summary}\n{cause.detail}" if cause else "the preview failed"
                        )
                await asyncio.sleep(0.1)
        found = environment.status if environment else "nothing"
        raise DemoFailed(f"after {_PATIENCE_SECONDS} s it is not {until}, but {found}")

    async def _read(self, number: int) -> Environment | None:
        repository = self._github.world.repository(REPOSITORY)
        return await self._store.environments.get(EnvironmentKey.preview(repository.id, number))

    async def _visit(self, environment: Environment) -> str:
        """Fetches the preview through the gateway and tells what stands there."""
        url = httpx.URL(environment.status.url or "")
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(
                url.copy_with(host="127.0.0.1"), headers={"Host": f"{url.host}:{url.port}"}
            )
        answer.raise_for_status()
        products = [unescape(name) for name in re.findall(r"<h2[^>]*>([^<]+)</h2>", answer.text)]
        digests = ", ".join(digest[:19] for digest in environment.status.images.values())
        self._say(f"[b]{url}[/b] answers from {digests}: {', '.join(products) or answer.text[:80]}")
        return answer.text

    def _checks(self, environment: Environment) -> None:
        for check in environment.status.checks:
            self._say(f"check [b]{check.name}[/b]: {check.state}. {check.summary}")

    async def _comment(self, number: int, words: str) -> None:
        """The bot's comment, once it says this: the store knows a moment before GitHub does."""
        for _ in range(100):
            bodies = [comment.body for comment in self._github.comments.on(REPOSITORY, number)]
            for body in bodies:
                if words in body:
                    told = re.sub(r"<!--.*?-->", "", body).strip()
                    lines = "\n".join(f"    | {line}" for line in told.splitlines())
                    self._console.print(lines, markup=False)
                    return
            await asyncio.sleep(0.1)
        raise DemoFailed(f"no comment says that it {words}: {bodies}")

    def _say(self, sentence: str) -> None:
        self._console.print(f"→ {sentence}", highlight=False)


async def run(console: Console, stay: bool) -> None:
    """Raises DemoFailed when the story does not end as it should."""
    with console.status("Starting GitHub, registry and cluster on this machine"):
        world = await World().__aenter__()
    try:
        port = _free_port()
        await asyncio.to_thread(_populate, world, f"http://127.0.0.1:{port}/webhooks")
        database = world.folder / "greenroom.db"
        settings = world.settings(f"http://127.0.0.1:{port}", database)
        async with BotProcess(port, settings, world.folder / "bot.log") as bot:
            store = await Store.open(f"sqlite:///{database}")
            try:
                demo = Demo(console, world, bot, store)
                began = time.monotonic()
                await demo.play()
                console.print(f"[green]✓[/green] the whole story took {time.monotonic() - began:.1f} s")
                if stay:
                    await demo.stay()
            finally:
                await store.close()
    finally:
        await world.__aexit__(None, None, None)


def _populate(world: World, webhook: str) -> None:
    github = world.github
    files = shop_files(world.registry.host)
    github.accounts.create_user("ada", name="Ada")
    github.accounts.create_user("grace", name="Grace")
    github.accounts.create_organization("acme", admins=("ada",))
    github.repositories.create(REPOSITORY, files)
    github.repositories.set_role(REPOSITORY, "grace", "write")
    prepared: list[tuple[str, Callable[[], dict[str, bytes]]]] = [
        ("Spring look", lambda: restyle(files, LOOKS["spring"])),
        ("Autumn look", lambda: restyle(files, LOOKS["autumn"])),
        ("Crash at start", lambda: broken_start(files)),
        ("Failing smoke test", lambda: failing_smoke(files)),
    ]
    github.settings.prepared_pushes[REPOSITORY] = [PreparedPush(name, make()) for name, make in prepared]
    github.apps.set_webhook(webhook)
    github.apps.install("acme", by="ada")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _phases(environment: Environment) -> Table:
    status = environment.status
    table = Table(title=f"{environment.namespace} · {status.state}", title_justify="left", show_header=False)
    table.add_column("phase", min_width=14)
    table.add_column("seconds", justify="right", min_width=8)
    for phase in Phase:
        record = status.phases.get(phase)
        if record is not None:
            table.add_row(phase.value, "…" if record.seconds is None else f"{record.seconds:.2f} s")
    return table

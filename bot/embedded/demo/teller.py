"""Does what people do on GitHub, and shows on the console what comes of it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from html import unescape

import httpx
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bot.embedded.client.resources import PODS
from bot.embedded.samples import LOOKS, restyle, shop_files
from bot.embedded.world import World
from bot.model.environment import Environment, EnvironmentKey, EnvironmentState, Phase
from bot.store import Store

REPOSITORY = "acme/shop"
_PATIENCE_SECONDS = 60

Met = Callable[[Environment], bool]


class DemoFailed(Exception):
    """The story did not go as told."""


class Teller:
    def __init__(self, console: Console, world: World, store: Store) -> None:
        self.console = console
        self.world = world
        self.github = world.github
        self._store = store

    def chapter(self, title: str) -> None:
        self.console.print()
        self.console.rule(f"[b]{title}[/b]", align="left")

    def say(self, sentence: str) -> None:
        self.console.print(f"→ {sentence}", highlight=False, soft_wrap=True)

    # What people do

    def files(self, look: str) -> dict[str, bytes]:
        return restyle(shop_files(self.world.registry.host), LOOKS[look])

    async def open(self, branch: str, files: Mapping[str, bytes], title: str) -> int:
        self.say(f"[b]ada[/b] opens the pull request [b]{title}[/b]")
        await self.push(branch, files)
        return await self.propose(branch, title, by="ada")

    async def propose(self, head: str, title: str, *, by: str) -> int:
        """Opens the pull request, and gives its number."""
        pull = await asyncio.to_thread(self.github.pulls.open, REPOSITORY, head, by=by, title=title)
        self.say(f"{self.github.url}/{REPOSITORY}/pull/{pull.number}")
        return int(pull.number)

    async def push(self, branch: str, files: Mapping[str, bytes]) -> None:
        await asyncio.to_thread(self.github.repositories.push, REPOSITORY, branch, dict(files), by="ada")

    async def close(self, number: int) -> None:
        self.say("[b]ada[/b] closes the pull request")
        await asyncio.to_thread(self.github.pulls.close, REPOSITORY, number, by="ada")

    async def comment(self, number: int, text: str, *, by: str) -> None:
        self.say(f"[b]{by}[/b] comments [b]{text}[/b]")
        await asyncio.to_thread(self.github.comments.create, REPOSITORY, number, text, by=by)

    async def visit(self, environment: Environment) -> str:
        """Fetches the preview through the gateway, tells what stands there, and gives the page."""
        page = await self._ask(environment, "GET", "/")
        products = [unescape(name) for name in re.findall(r"<h2[^>]*>([^<]+)</h2>", page)]
        digests = ", ".join(digest[:19] for digest in environment.status.images.values())
        url = environment.status.url
        self.say(f"[b]{url}[/b] answers from {digests}: {', '.join(products) or page[:80]}")
        return page

    async def write(self, environment: Environment, note: str) -> None:
        """A reviewer leaves a note in the shop's guest book."""
        self.say(f"[b]grace[/b] writes into the shop's guest book: {note}")
        await self._ask(environment, "POST", "/notes", {"text": note})

    async def _ask(
        self, environment: Environment, method: str, path: str, form: Mapping[str, str] | None = None
    ) -> str:
        url = httpx.URL(environment.status.url or "").copy_with(path=path)
        host = {"Host": f"{url.host}:{url.port}"}
        async with httpx.AsyncClient(trust_env=False) as client:
            # Names below `localhost` lead nowhere on some machines; browsers know them by themselves.
            answer = await client.request(method, url.copy_with(host="127.0.0.1"), headers=host, data=form)
        if answer.is_error:
            raise DemoFailed(f"{method} {url} answered {answer.status_code}")
        return answer.text

    # What comes of it

    async def watch(self, number: int, until: EnvironmentState, met: Met | None = None) -> Environment:
        """Shows the phases live until the state is reached, and what else is asked for is met."""
        started = time.monotonic()
        environment: Environment | None = None
        with Live(console=self.console, refresh_per_second=10) as live:
            while time.monotonic() - started < _PATIENCE_SECONDS:
                environment = await self.read(number)
                if environment is not None:
                    live.update(_phases(environment))
                    if _ended(environment, until, met):
                        break
                await asyncio.sleep(0.1)
        if not self.console.is_terminal:
            self.console.print()  # Live leaves its last line open there
        if environment is None or not _ended(environment, until, met):
            found = environment.status if environment else "nothing"
            raise DemoFailed(f"after {_PATIENCE_SECONDS} s it is not {until}, but {found}")
        if environment.status.state is not until:
            raise DemoFailed(_cause(environment))
        return environment

    async def read(self, number: int) -> Environment | None:
        repository = self.github.world.repository(REPOSITORY)
        return await self._store.environments.get(EnvironmentKey.preview(repository.id, number))

    async def same_digests(self, number: int, stage: str) -> None:
        """Compares what the stage's pods run with what the preview's run."""
        preview = await self.read(number)
        id = self.github.world.repository(REPOSITORY).id
        standing = await self._store.environments.get(EnvironmentKey.stage(id, stage))
        if preview is None or standing is None:
            raise DemoFailed(f"preview or {stage} is not there")
        runs = [await self._digests(each) for each in (preview, standing)]
        if not runs[0] or runs[0] != runs[1]:
            raise DemoFailed(f"{stage} runs {runs[1]}, and reviewers saw {runs[0]}")
        self.say(f"the pods of [b]{stage}[/b] run what reviewers saw: {', '.join(sorted(runs[1]))}")

    async def _digests(self, environment: Environment) -> set[str]:
        pods = await self.world.client.list(PODS, environment.namespace)
        images = [image["image"] for pod in pods.items for image in pod["spec"]["containers"]]
        return {digest for image in images if (digest := image.partition("@")[2])}

    async def told(self, number: int, words: str) -> None:
        """Shows the bot's comment that says this: the store knows a moment before GitHub does."""
        bodies: list[str] = []
        for _ in range(10 * _PATIENCE_SECONDS):
            comments = self.github.comments.on(REPOSITORY, number)
            bodies = [comment.body for comment in comments if comment.app is not None]
            for body in bodies:
                if words in body:
                    told = re.sub(r"<!--.*?-->|<details>.*?</details>", "", body, flags=re.DOTALL).strip()
                    lines = "\n".join(f"    | {line}" for line in told.splitlines())
                    self.console.print(lines, markup=False, soft_wrap=True)
                    return
            await asyncio.sleep(0.1)
        raise DemoFailed(f"no comment says that it {words}: {bodies}")


def _ended(environment: Environment, until: EnvironmentState, met: Met | None) -> bool:
    return environment.status.state in (until, EnvironmentState.FAILED) and (met is None or met(environment))


def _cause(environment: Environment) -> str:
    cause = environment.status.cause
    return f"{cause.summary}\n{cause.detail}" if cause else "the preview failed"


def _phases(environment: Environment) -> RenderableType:
    status = environment.status
    title = f"{environment.namespace} · {status.state}"
    if not status.phases:
        return Text(title, "italic")
    table = Table(title=title, title_justify="left", show_header=False, min_width=len(title))
    table.add_column("phase", min_width=14)
    table.add_column("seconds", justify="right", min_width=8)
    for phase in Phase:
        record = status.phases.get(phase)
        if record is not None:
            table.add_row(phase.value, "…" if record.seconds is None else f"{record.seconds:.2f} s")
    return table

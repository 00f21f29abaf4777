"""Acts for the users of the demo, waits for states, and prints the results on the console."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from html import unescape
from typing import TypeVar

import httpx
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bot.cluster.client.kinds import POD
from bot.embedded.samples import LOOKS, restyle, shop_files
from bot.embedded.world import World
from bot.github.messages.environment import marker
from bot.model.environment import Environment, EnvironmentKey, EnvironmentState, phases_of
from bot.model.promotion import ENDED, Promotion, PromotionState
from bot.store import Store

REPOSITORY = "acme/shop"
_TIMEOUT_SECONDS = 120
_POLL_SECONDS = 0.1
_SETTLED_SECONDS = 0.3
_HIDDEN = re.compile(r"<!--.*?-->|<details>.*?</details>", re.DOTALL)

Condition = Callable[[Environment], bool]
T = TypeVar("T")


class DemoFailed(Exception):
    """A step of the demo did not reach its expected state."""


class Presenter:
    def __init__(self, console: Console, world: World, store: Store, repository: str = REPOSITORY) -> None:
        self.console = console
        self.world = world
        self.github = world.github
        self.repository = repository
        self._store = store

    def on(self, console: Console, repository: str) -> "Presenter":
        """The same for another repository, on another console."""
        return Presenter(console, self.world, self._store, repository)

    def section(self, title: str) -> None:
        self.console.print()
        self.console.rule(f"[b]{title}[/b]", align="left")

    def note(self, sentence: str) -> None:
        self.console.print(f"→ {sentence}", highlight=False, soft_wrap=True)

    # Actions on GitHub and in the shop

    def files(self, look: str) -> dict[str, bytes]:
        return restyle(shop_files(self.world.registry.host), LOOKS[look])

    async def open(self, branch: str, files: Mapping[str, bytes], title: str) -> int:
        """Push a branch and open its pull request; returns the number."""
        self.note(f"[b]ada[/b] opens the pull request [b]{title}[/b]")
        await self.push(branch, files)
        return await self.create_pull_request(branch, title, by="ada")

    async def create_pull_request(self, head: str, title: str, *, by: str) -> int:
        pull = await asyncio.to_thread(self.github.pulls.open, self.repository, head, by=by, title=title)
        self.note(f"{self.github.url}/{self.repository}/pull/{pull.number}")
        return int(pull.number)

    async def push(self, branch: str, files: Mapping[str, bytes]) -> None:
        await asyncio.to_thread(self.github.repositories.push, self.repository, branch, dict(files), by="ada")

    async def close(self, number: int) -> None:
        self.note("[b]ada[/b] closes the pull request")
        await asyncio.to_thread(self.github.pulls.close, self.repository, number, by="ada")

    async def comment(self, number: int, text: str, *, by: str) -> int:
        """Write a comment; returns its id."""
        self.note(f"[b]{by}[/b] comments [b]{text}[/b]")
        comment = await asyncio.to_thread(self.github.comments.create, self.repository, number, text, by=by)
        return int(comment.id)

    async def visit(self, environment: Environment) -> str:
        """Fetch the start page through the gateway and print its products; returns the page."""
        page = await self._request(environment, "GET", "/")
        products = [unescape(name) for name in re.findall(r"<h2[^>]*>([^<]+)</h2>", page)]
        digests = ", ".join(digest[:19] for digest in environment.status.images.values())
        url = environment.status.url
        self.note(f"[b]{url}[/b] responds from {digests}: {', '.join(products) or page[:80]}")
        return page

    async def write(self, environment: Environment, text: str) -> None:
        """Leave a note in the shop's guest book, as a reviewer does."""
        self.note(f"[b]grace[/b] writes into the shop's guest book: {text}")
        await self._request(environment, "POST", "/notes", {"text": text})

    async def address(self, stage: str) -> tuple[str, Mapping[str, str]]:
        """Where a stage is reached, and the headers of its host."""
        environment = await self._store.environments.get(EnvironmentKey.stage(self._repository_id, stage))
        assert environment is not None, "it runs"
        url = httpx.URL(environment.status.url or "")
        return f"http://127.0.0.1:{url.port}", {"Host": f"{url.host}:{url.port}"}

    async def _request(
        self, environment: Environment, method: str, path: str, form: Mapping[str, str] | None = None
    ) -> str:
        url = httpx.URL(environment.status.url or "").copy_with(path=path)
        host = {"Host": f"{url.host}:{url.port}"}
        async with httpx.AsyncClient(trust_env=False) as client:
            # Some machines do not resolve names below `localhost`; browsers always do.
            response = await client.request(method, url.copy_with(host="127.0.0.1"), headers=host, data=form)
        if response.is_error:
            raise DemoFailed(f"{method} {url} returned status {response.status_code}.")
        return response.text

    # States

    async def preview(self, number: int) -> Environment | None:
        return await self._store.environments.get(self._key(number))

    async def wait_for_preview(
        self, number: int, state: EnvironmentState, condition: Condition | None = None
    ) -> Environment:
        """Show the phases until the preview has reached the state and meets the condition."""
        environment: Environment | None = None
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        with Live(console=self.console, refresh_per_second=10) as live:
            while time.monotonic() < deadline:
                environment = await self.preview(number)
                if environment is not None:
                    live.update(_phases(environment))
                    if _has_ended(environment, state, condition):
                        break
                await asyncio.sleep(_POLL_SECONDS)
        if not self.console.is_terminal:
            self.console.print()  # Live leaves its last line open there
        if environment is None or not _has_ended(environment, state, condition):
            status = environment.status if environment else "unknown"
            raise DemoFailed(f"The preview is not {state} after {_TIMEOUT_SECONDS} s, but {status}.")
        if environment.status.state is not state:
            raise DemoFailed(_failure(environment))
        return environment

    async def wait_for_promotion(self, number: int, stage: str, state: PromotionState) -> Promotion:
        """The newest promotion from a pull request to a stage, once it has reached the state."""
        key = EnvironmentKey.stage(self._repository_id, stage)

        async def newest() -> Promotion | None:
            promotions = await self._store.promotions.find(stage=key, number=number, limit=1)
            reached = promotions and (promotions[0].state is state or promotions[0].state in ENDED)
            return promotions[0] if reached else None

        promotion = await self._until(newest, f"The promotion of #{number} to {stage} is not {state}")
        if promotion.state is not state:
            outcome = f"{promotion.state} ({promotion.reason})"
            raise DemoFailed(f"The promotion of #{number} to {stage} is {outcome}, expected {state}.")
        return promotion

    async def compare_digests(self, number: int, stage: str) -> None:
        """Check that the pods of the stage run the images of the preview's pods."""
        preview = await self.preview(number)
        environment = await self._store.environments.get(EnvironmentKey.stage(self._repository_id, stage))
        if preview is None or environment is None:
            raise DemoFailed(f"The preview or {stage} does not exist.")
        reviewed, deployed = await self._digests(preview), await self._digests(environment)
        if not reviewed or reviewed != deployed:
            raise DemoFailed(f"{stage} runs {deployed}; reviewers saw {reviewed}.")
        self.note(f"the pods of [b]{stage}[/b] run what reviewers saw: {', '.join(sorted(deployed))}")

    async def _digests(self, environment: Environment) -> set[str]:
        pods = await self.world.client.list(POD, environment.namespace)
        images = [container["image"] for pod in pods.items for container in pod["spec"]["containers"]]
        return {digest for image in images if (digest := image.partition("@")[2])}

    # Comments of the bot

    async def show_preview_comment(self, environment: Environment) -> None:
        """Print the comment about a preview, once GitHub has the result of its commit."""
        key, status = str(environment.key), environment.status

        async def reported() -> bool:
            if status.state is EnvironmentState.GONE:
                deployments = self.github.deployments.of(self.repository)
                return all(
                    d.state == "inactive" for d in deployments if d.transient and d.sha == status.commit
                )
            runs = self.github.checks.runs(self.repository, status.commit)
            return any(run.conclusion for run in runs if run.external_id == key)

        await self._until(reported, f"GitHub has no result for {key}")
        await self._show(int(environment.key.name), marker(key))

    async def show_promotion_comment(self, promotion: Promotion) -> None:
        """Print the comment about a promotion, once GitHub has the result of its Deployment."""

        async def reported() -> bool:
            commit = promotion.release.commit if promotion.release else ""
            deployments = self.github.deployments.of(self.repository, promotion.stage.name)
            states = {deployment.state for deployment in deployments if deployment.sha == commit}
            return promotion.state not in ENDED or bool(states & {"success", "failure", "inactive"})

        await self._until(reported, f"GitHub has no result for {promotion.stage}")
        await self._show(promotion.number or 0, marker(f"promotion/{promotion.id}"))

    async def show_reply(self, number: int, comment_id: int) -> None:
        """Print the bot's reply to a command."""
        await self._show(number, marker(f"command {comment_id}"))

    async def _show(self, number: int, text: str) -> None:
        async def body() -> str | None:
            comments = self.github.comments.on(self.repository, number)
            bodies = [comment.body for comment in comments if comment.app is not None]
            return next((body for body in bodies if text in body), None)

        shown = await self._until(body, f"Pull request {number} has no comment {text}")
        settled = time.monotonic() + _SETTLED_SECONDS
        while time.monotonic() < settled:
            await asyncio.sleep(_POLL_SECONDS)
            if (current := await body()) is not None and current != shown:
                shown, settled = current, time.monotonic() + _SETTLED_SECONDS
        lines = _HIDDEN.sub("", shown).strip().splitlines()
        self.console.print("\n".join(f"    | {line}" for line in lines), markup=False, soft_wrap=True)

    @property
    def _repository_id(self) -> int:
        return int(self.github.world.repository(self.repository).id)

    def _key(self, number: int) -> EnvironmentKey:
        return EnvironmentKey.preview(self._repository_id, number)

    async def _until(self, read: Callable[[], Awaitable[T | None]], problem: str) -> T:
        """Poll until the value is neither None nor false."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while not (value := await read()):
            if time.monotonic() > deadline:
                raise DemoFailed(f"{problem} after {_TIMEOUT_SECONDS} s.")
            await asyncio.sleep(_POLL_SECONDS)
        return value


def _has_ended(environment: Environment, state: EnvironmentState, condition: Condition | None) -> bool:
    ended = environment.status.state in (state, EnvironmentState.FAILED)
    return ended and (condition is None or condition(environment))


def _failure(environment: Environment) -> str:
    reason = environment.status.cause
    return f"{reason.summary}\n{reason.detail}" if reason else "The preview failed."


def _phases(environment: Environment) -> RenderableType:
    status = environment.status
    title = f"{environment.namespace} · {status.state}"
    if not status.phases:
        return Text(title, "italic")
    table = Table(title=title, title_justify="left", show_header=False, min_width=len(title))
    table.add_column("phase", min_width=14)
    table.add_column("seconds", justify="right", min_width=8)
    for phase in phases_of(environment.key.kind, status.phases):
        record = status.phases.get(phase)
        if record is not None:
            table.add_row(phase.value, "…" if record.seconds is None else f"{record.seconds:.2f} s")
    return table

"""Stages in a story: what people say about them on pull requests, and what they see there."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import httpx

from bot.config.configuration import CONFIG_FILE
from bot.embedded.client.resources import NAMESPACES, PODS
from bot.embedded.github.state.records import Role
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.naming import host_label, namespace_name
from bot.model.promotion import AuditEntry, Promotion, PromotionState, StageRecord
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.promotions.facts import Rollout
from bot.promotions.rollout_progress import progress
from bot.store import Store
from tests.story.conftest import PATIENCE_SECONDS, Story, eventually

DEMOS = ("sales", "training")


class Stages:
    """The stages of a story's repository. What is seen is on GitHub, on the cluster and in the audit."""

    def __init__(self, story: Story, store: Store) -> None:
        self.story = story
        self.store = store
        owner, _, name = story.repository.partition("/")
        self.id = story.github.world.repository(story.repository).id
        self.repository = Repository(self.id, 0, owner, name)
        self.application = story.hello()

    def key(self, name: str) -> EnvironmentKey:
        """Of a stage, or of a demo: those of the stories are called so."""
        return EnvironmentKey(EnvironmentKind.DEMO if name in DEMOS else EnvironmentKind.STAGE, self.id, name)

    async def configure(self, pipeline: str) -> None:
        """The pipeline on the default branch, from now on."""
        configuration = self.application[CONFIG_FILE].decode() + pipeline
        await self.story.push("main", {**self.application, CONFIG_FILE: configuration.encode()})

    async def open(self, branch: str, sentence: str = "Hello.", more: str = "") -> int:
        """A pull request whose preview is ready. It changes the sentence, or adds a file."""
        added = {f"{more}.txt": more.encode()} if more else {}
        number = await self.story.open(branch, await self.files(sentence) | added)
        await self.story.is_ready(number)
        return number

    async def fork(self, sentence: str) -> int:
        """A pull request from mallory's fork."""
        name, files = f"{self.story.organization}-by-mallory", await self.files(sentence)
        github = self.story.github

        def fork() -> int:
            github.repositories.fork(self.story.repository, by="mallory", name=name)
            github.repositories.push(f"mallory/{name}", "mine", files, by="mallory")
            return int(github.pulls.open(self.story.repository, "mallory:mine", by="mallory").number)

        return await asyncio.to_thread(fork)

    async def files(self, sentence: str) -> dict[str, bytes]:
        """The application as the default branch has it, its pipeline included, with another sentence."""
        repository = self.story.github.world.repository(self.story.repository)
        objects = self.story.github.world.git(repository)
        tree = objects.commits[repository.branches[repository.default_branch]].tree
        files = {path: objects.blobs.get(entry.sha) for path, entry in objects.walk(tree)}
        found = {path: content for path, content in files.items() if content is not None}
        return {**found, "sentence.txt": sentence.encode()}

    async def say(self, number: int, words: str, by: str = "ada") -> None:
        await asyncio.to_thread(
            self.story.github.comments.create, self.story.repository, number, words, by=by
        )

    async def greenroom(self, *words: str) -> tuple[int, str]:
        """What an operator types beside the bot: exit code, and what was printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot.cli.main",
            *words,
            env={**self.story.bot.settings, "COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode().strip()

    async def review(self, number: int, by: str) -> None:
        await asyncio.to_thread(self.story.github.pulls.review, self.story.repository, number, by=by)

    async def merge(self, number: int, method: str) -> str:
        merged = await asyncio.to_thread(
            self.story.github.pulls.merge,
            self.story.repository,
            number,
            by="ada",
            method=method,  # type: ignore[arg-type]  # one of the three
        )
        return str(merged)

    async def told(self, number: int, *words: str) -> str:
        """The bot's comment with all of these words as they are shown, as soon as there is one."""

        def found() -> str | None:
            shown = [body.replace("\\", "") for body in self.story.comments(number)]
            return next((body for body in shown if all(word in body for word in words)), None)

        return await eventually(found, lambda: f"no comment with {words} in {self.story.comments(number)}")

    def stories(self, promotion: Promotion) -> list[str]:
        """The comments that tell of a promotion: there shall be one."""
        every = [
            self.story.comments(pull.number) for pull in self.story.github.pulls.of(self.story.repository)
        ]
        return [body for bodies in every for body in bodies if f"greenroom promotion/{promotion.id}" in body]

    async def page(self, stage: str) -> httpx.Response:
        """The stage's page, through the gateway."""
        port = self.story.world.gateway.port
        async with httpx.AsyncClient(trust_env=False) as client:
            label = host_label(self.key(stage), self.repository)
            headers = {"Host": f"{label}.localhost:{port}"}
            return await client.get(f"http://127.0.0.1:{port}/", headers=headers)

    async def digests(self, stage: str) -> set[str]:
        """Of the images that the stage's pods run."""
        namespace = namespace_name(self.key(stage), self.repository)
        pods = await self.story.world.client.list(PODS, namespace)
        return {
            container["image"].partition("@")[2]
            for pod in pods.items
            if not pod["metadata"].get("deletionTimestamp")
            for container in pod["spec"]["containers"]
        }

    async def runs(self, stage: str, digests: set[str]) -> None:
        """Returns when the stage's pods run these digests and no others."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := await self.digests(stage)) != digests:
            assert time.monotonic() < deadline, f"{stage} runs {found}, not {digests}"
            await asyncio.sleep(0.1)

    async def passes(self, stage: str) -> None:
        """Returns when the stage's environment has come to its target and passed its checks."""
        deadline, key = time.monotonic() + PATIENCE_SECONDS, EnvironmentKey.stage(self.id, stage)
        while progress(found := await self.store.environments.get(key)).rollout is not Rollout.VERIFIED:
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.05)

    async def preview_digests(self, number: int) -> set[str]:
        environment = await self.store.environments.get(EnvironmentKey.preview(self.id, number))
        assert environment is not None
        return set(environment.status.images.values())

    async def tag(self, name: str, at: str | None = None, message: str | None = None) -> str:
        """The commit that it names."""
        tag = self.story.github.repositories.tag
        named = await asyncio.to_thread(tag, self.story.repository, name, by="ada", at=at, message=message)
        return str(named)

    async def leaves(self, stage: str) -> None:
        """Returns when the stage's namespace is gone."""
        namespace = namespace_name(self.key(stage), self.repository)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await self.story.world.client.find(NAMESPACES, namespace) is not None:
            assert time.monotonic() < deadline, f"{namespace} is still there"
            await asyncio.sleep(0.1)

    async def record(self, stage: str) -> StageRecord:
        found = await self.store.promotions.stages(self.id)
        return next(each for each in found if each.name == stage)

    def head(self) -> str:
        """Of the default branch."""
        repository = self.story.github.world.repository(self.story.repository)
        return str(repository.branches[repository.default_branch])

    async def verified(self, stage: str, commit: str) -> StageRecord:
        """Returns when this commit is what was verified on the stage last."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = [each for each in await self.store.promotions.stages(self.id) if each.name == stage]
            if found and found[0].verified and found[0].verified[-1].target.release.commit == commit:
                return found[0]
            assert time.monotonic() < deadline, f"{commit} is not on {stage}: {found}"
            await asyncio.sleep(0.1)

    async def promotions(self, stage: str) -> Sequence[Promotion]:
        """The newest first."""
        return await self.store.promotions.find(self.id, stage=self.key(stage))

    async def idle(self) -> None:
        """Returns when no worker has anything to do about the repository's stages and promotions now."""
        keys = [WorkKey.promotion(each.id) for each in await self.store.promotions.find(self.id)]
        keys += [WorkKey.environment(each.key) for each in await self.store.promotions.stages(self.id)]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any([await self._is_due(key) for key in keys]):
            assert time.monotonic() < deadline, "there is always something to do"
            await asyncio.sleep(0.05)

    async def _is_due(self, key: WorkKey) -> bool:
        found = await self.store.queue.look(key)
        return found is not None and (found.running or found.at <= datetime.now(UTC))

    async def comes_to(self, stage: str, state: PromotionState) -> Promotion:
        """The newest promotion of the stage, as soon as the store says that it is in the state."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := await self.promotions(stage)) or found[0].state is not state:
            assert time.monotonic() < deadline, f"{stage}: {[(each.state, each.why) for each in found]}"
            await asyncio.sleep(0.02)
        return found[0]

    async def audit(self, stage: str) -> list[AuditEntry]:
        """The oldest first."""
        return (await self.store.audit.entries(self.id, stage=stage))[::-1]

    def deployments(self, stage: str) -> list[str]:
        """The states of the stage's Deployments on GitHub, the oldest first."""
        return [each.state for each in self.story.deployments() if each.environment == stage]

    async def deployed(self, stage: str, *states: str) -> None:
        """Returns when GitHub shows these states of the stage's Deployments."""

        def found() -> bool | None:
            return True if tuple(self.deployments(stage)) == states else None

        await eventually(found, lambda: f"{stage}: {self.deployments(stage)}, not {states}")


@contextlib.asynccontextmanager
async def staged(story: Story, pipeline: str) -> AsyncIterator[Stages]:
    """The story's repository with a pipeline. ada owns it, bea and cem may write, dora may read."""
    github = story.github
    roles: tuple[tuple[str, Role], ...] = (("bea", "write"), ("cem", "write"), ("dora", "read"))
    for login, role in roles:
        with contextlib.suppress(Exception):
            await asyncio.to_thread(github.accounts.create_user, login)
        await asyncio.to_thread(github.repositories.set_role, story.repository, login, role)
    store = await Store.open(f"sqlite:///{story.site.database}")
    try:
        stages = Stages(story, store)
        await stages.configure(pipeline)
        yield stages
    finally:
        await store.close()

"""Stages in a story: what people say about them on pull requests, and what they see there."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Sequence

import httpx

from bot.embedded.client.resources import NAMESPACES, PODS
from bot.embedded.github.state.records import Role
from bot.environments.configuration import PATH
from bot.model.environment import EnvironmentKey
from bot.model.naming import host_label, namespace_name
from bot.model.promotion import AuditEntry, Promotion, StageRecord
from bot.model.repository import Repository
from bot.store import Store
from tests.story.conftest import PATIENCE_SECONDS, Story, eventually


class Stages:
    """The stages of a story's repository. What is seen is on GitHub, on the cluster and in the audit."""

    def __init__(self, story: Story, store: Store) -> None:
        self.story = story
        self.store = store
        owner, _, name = story.repository.partition("/")
        self.id = story.github.world.repository(story.repository).id
        self.repository = Repository(self.id, 0, owner, name)

    async def configure(self, pipeline: str) -> None:
        """The pipeline on the default branch, from now on."""
        configuration = self.story.hello()[PATH].decode() + pipeline
        await self.story.push("main", {**self.story.hello(), PATH: configuration.encode()})

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
            "bot.cli",
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
            method=method,  # type: ignore[arg-type]
        )
        return str(merged)

    async def told(self, number: int, *words: str) -> str:
        """The bot's comment with all of these words, as soon as there is one."""
        return await self.story.comment_says(number, *words)

    async def page(self, stage: str) -> httpx.Response:
        """The stage's page, through the gateway."""
        port = self.story.world.gateway.port
        async with httpx.AsyncClient(trust_env=False) as client:
            label = host_label(EnvironmentKey.stage(self.id, stage), self.repository)
            headers = {"Host": f"{label}.localhost:{port}"}
            return await client.get(f"http://127.0.0.1:{port}/", headers=headers)

    async def digests(self, stage: str) -> set[str]:
        """Of the images that the stage's pods run."""
        namespace = namespace_name(EnvironmentKey.stage(self.id, stage), self.repository)
        pods = await self.story.world.client.list(PODS, namespace)
        return {
            container["image"].partition("@")[2]
            for pod in pods.items
            if not pod["metadata"].get("deletionTimestamp")
            for container in pod["spec"]["containers"]
        }

    async def preview_digests(self, number: int) -> set[str]:
        environment = await self.store.environments.get(EnvironmentKey.preview(self.id, number))
        assert environment is not None
        return set(environment.status.images.values())

    async def leaves(self, stage: str) -> None:
        """Returns when the stage's namespace is gone."""
        namespace = namespace_name(EnvironmentKey.stage(self.id, stage), self.repository)
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
        return await self.store.promotions.find(self.id, stage=EnvironmentKey.stage(self.id, stage))

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

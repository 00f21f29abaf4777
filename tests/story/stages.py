"""Stages in a scenario: commands on pull requests, and their effects on GitHub and the cluster."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import httpx

from bot.cluster.client.kinds import NAMESPACE, POD
from bot.config.loader import CONFIG_FILE
from bot.embedded.github.state.records import Role
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.naming import host_label, namespace_name
from bot.model.promotion import AuditEntry, Promotion, PromotionState, StageRecord
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.promotions.facts import RolloutState
from bot.promotions.rollout_progress import rollout_progress
from bot.store import Store
from tests.story.conftest import PATIENCE_SECONDS, Scenario, eventually

DEMOS = ("sales", "training")


async def greenroom(scenario: Scenario, *words: str) -> tuple[int, str]:
    """Runs the command line with the bot's settings; returns exit code and output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot.cli.main",
        *words,
        env={**scenario.bot.settings, "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode().strip()


class Stages:
    """The stages of a scenario's repository, seen on GitHub, on the cluster and in the audit."""

    def __init__(self, scenario: Scenario, store: Store) -> None:
        self.scenario = scenario
        self.store = store
        owner, _, name = scenario.repository.partition("/")
        self.id = scenario.github.world.repository(scenario.repository).id
        self.repository = Repository(self.id, 0, owner, name)
        self.application = scenario.hello()

    def key(self, name: str) -> EnvironmentKey:
        """The key of a stage, or of a demo if the name is in `DEMOS`."""
        return EnvironmentKey(EnvironmentKind.DEMO if name in DEMOS else EnvironmentKind.STAGE, self.id, name)

    async def configure(self, pipeline: str) -> None:
        """Pushes this pipeline to the default branch."""
        configuration = self.application[CONFIG_FILE].decode() + pipeline
        await self.scenario.push("main", {**self.application, CONFIG_FILE: configuration.encode()})

    async def open(self, branch: str, sentence: str = "Hello.", more: str = "") -> int:
        """Opens a pull request that changes the sentence or adds a file; waits for its preview."""
        added = {f"{more}.txt": more.encode()} if more else {}
        number = await self.scenario.open(branch, await self.files(sentence) | added)
        await self.scenario.wait_until_ready(number)
        return number

    async def fork(self, sentence: str) -> int:
        """Opens a pull request from mallory's fork; waits until the bot knows its head."""
        number = await self.scenario.fork(await self.files(sentence))
        await self.scenario.comment_with(number, "This pull request has no preview")
        return number

    async def files(self, sentence: str) -> dict[str, bytes]:
        """The files of the default branch, including the pipeline, with another sentence."""
        repository = self.scenario.github.world.repository(self.scenario.repository)
        objects = self.scenario.github.world.git(repository)
        tree = objects.commits[repository.branches[repository.default_branch]].tree
        files = {path: objects.blobs.get(entry.sha) for path, entry in objects.walk(tree)}
        present = {path: content for path, content in files.items() if content is not None}
        return {**present, "sentence.txt": sentence.encode()}

    async def comment(self, number: int, words: str, by: str = "ada") -> None:
        if words.startswith(
            "/approve"
        ):  # GitHub's clock has whole seconds: a younger comment is in the next one
            await asyncio.sleep(1)
        await asyncio.to_thread(
            self.scenario.github.comments.create, self.scenario.repository, number, words, by=by
        )

    async def greenroom(self, *words: str) -> tuple[int, str]:
        return await greenroom(self.scenario, *words)

    async def review(self, number: int, by: str) -> None:
        await asyncio.to_thread(self.scenario.github.pulls.review, self.scenario.repository, number, by=by)

    async def merge(self, number: int, method: str) -> str:
        merged = await asyncio.to_thread(
            self.scenario.github.pulls.merge,
            self.scenario.repository,
            number,
            by="ada",
            method=method,  # type: ignore[arg-type]  # one of the three
        )
        return str(merged)

    async def comment_with(self, number: int, *words: str) -> str:
        """Waits for the bot's comment that shows all of these words."""

        def matching() -> str | None:
            shown = [body.replace("\\", "") for body in self.scenario.comments(number)]
            return next((body for body in shown if all(word in body for word in words)), None)

        return await eventually(
            matching, lambda: f"no comment with {words} in {self.scenario.comments(number)}"
        )

    def promotion_comments(self, promotion: Promotion) -> list[str]:
        """The comments about a promotion."""
        pulls = self.scenario.github.pulls.of(self.scenario.repository)
        bodies = [body for pull in pulls for body in self.scenario.comments(pull.number)]
        return [body for body in bodies if f"greenroom promotion/{promotion.id}" in body]

    async def page(self, stage: str) -> httpx.Response:
        """The stage's page, through the gateway."""
        port = self.scenario.world.gateway_port
        async with httpx.AsyncClient(trust_env=False) as client:
            label = host_label(self.key(stage), self.repository)
            headers = {"Host": f"{label}.localhost:{port}"}
            return await client.get(f"http://{self.scenario.world.gateway_address}/", headers=headers)

    async def digests(self, stage: str) -> set[str]:
        """The digests of the images that the stage's pods run."""
        namespace = namespace_name(self.key(stage), self.repository)
        pods = await self.scenario.world.client.list(POD, namespace)
        return {
            container["image"].partition("@")[2]
            for pod in pods.items
            if not pod["metadata"].get("deletionTimestamp")
            for container in pod["spec"]["containers"]
        }

    async def runs(self, stage: str, digests: set[str]) -> None:
        """Waits until the stage's pods run exactly these digests."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (running := await self.digests(stage)) != digests:
            assert time.monotonic() < deadline, f"{stage} runs {running}, not {digests}"
            await asyncio.sleep(0.1)

    async def passes(self, stage: str) -> None:
        """Waits until the stage's environment runs its target and has passed its checks."""
        deadline, key = time.monotonic() + PATIENCE_SECONDS, EnvironmentKey.stage(self.id, stage)
        while (
            rollout_progress(environment := await self.store.environments.get(key)).state
            is not RolloutState.VERIFIED
        ):
            assert time.monotonic() < deadline, environment
            await asyncio.sleep(0.05)

    async def preview_digests(self, number: int) -> set[str]:
        environment = await self.store.environments.get(EnvironmentKey.preview(self.id, number))
        assert environment is not None
        return set(environment.status.images.values())

    async def tag(self, name: str, at: str | None = None, message: str | None = None) -> str:
        """Creates a tag; returns its commit."""
        tag = self.scenario.github.repositories.tag
        named = await asyncio.to_thread(tag, self.scenario.repository, name, by="ada", at=at, message=message)
        return str(named)

    async def leaves(self, stage: str) -> None:
        """Waits until the stage's namespace is deleted."""
        namespace = namespace_name(self.key(stage), self.repository)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await self.scenario.world.client.find(NAMESPACE, namespace) is not None:
            assert time.monotonic() < deadline, f"{namespace} is still there"
            await asyncio.sleep(0.1)

    async def record(self, stage: str) -> StageRecord:
        records = await self.store.promotions.stages(self.id)
        return next(record for record in records if record.name == stage)

    def head(self) -> str:
        """The head of the default branch."""
        repository = self.scenario.github.world.repository(self.scenario.repository)
        return str(repository.branches[repository.default_branch])

    async def verified(self, stage: str, commit: str) -> StageRecord:
        """Waits until this commit is the last one that was verified on the stage."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            records = [row for row in await self.store.promotions.stages(self.id) if row.name == stage]
            if records and records[0].verified and records[0].verified[-1].target.release.commit == commit:
                return records[0]
            assert time.monotonic() < deadline, f"{commit} is not on {stage}: {records}"
            await asyncio.sleep(0.1)

    async def promotions(self, stage: str) -> Sequence[Promotion]:
        """The stage's promotions, newest first."""
        return await self.store.promotions.find(self.id, stage=self.key(stage))

    async def idle(self) -> None:
        """Waits until no key of the repository's stages and promotions is due."""
        keys = [WorkKey.promotion(promotion.id) for promotion in await self.store.promotions.find(self.id)]
        keys += [WorkKey.environment(stage.key) for stage in await self.store.promotions.stages(self.id)]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any([await self._is_due(key) for key in keys]):
            assert time.monotonic() < deadline, "there is always something to do"
            await asyncio.sleep(0.05)

    async def _is_due(self, key: WorkKey) -> bool:
        entry = await self.store.queue.look(key)
        return entry is not None and (entry.running or entry.at <= datetime.now(UTC))

    async def comes_to(self, stage: str, state: PromotionState) -> Promotion:
        """Waits until the stage's newest promotion is in this state."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (promotions := await self.promotions(stage)) or promotions[0].state is not state:
            assert time.monotonic() < deadline, (
                f"{stage}: {[(promotion.state, promotion.reason) for promotion in promotions]}"
            )
            await asyncio.sleep(0.02)
        return promotions[0]

    async def audit(self, stage: str) -> list[AuditEntry]:
        """The stage's audit entries, oldest first."""
        return (await self.store.audit.entries(self.id, stage=stage))[::-1]

    def deployments(self, stage: str) -> list[str]:
        """The states of the stage's Deployments on GitHub, oldest first."""
        return [row.state for row in self.scenario.deployments() if row.environment == stage]

    async def deployed(self, stage: str, *states: str) -> None:
        """Waits until GitHub shows these states of the stage's Deployments."""

        def matching() -> bool | None:
            return True if tuple(self.deployments(stage)) == states else None

        await eventually(matching, lambda: f"{stage}: {self.deployments(stage)}, not {states}")


@contextlib.asynccontextmanager
async def staged(scenario: Scenario, pipeline: str | None) -> AsyncIterator[Stages]:
    """The scenario's repository with a pipeline. ada is admin, bea and cem can write, dora can read.

    None for the pipeline that the repository has.
    """
    github = scenario.github
    roles: tuple[tuple[str, Role], ...] = (("bea", "write"), ("cem", "write"), ("dora", "read"))
    for login, role in roles:
        with contextlib.suppress(Exception):
            await asyncio.to_thread(github.accounts.create_user, login)
        await asyncio.to_thread(github.repositories.set_role, scenario.repository, login, role)
    store = await Store.open(f"sqlite:///{scenario.site.database}")
    try:
        stages = Stages(scenario, store)
        if pipeline is not None:
            await stages.configure(pipeline)
        yield stages
    finally:
        await store.close()

"""Previews on a real node, compared with kubectl in the same run. Runs in the node's network namespace.

Both apply the same objects in the same order and wait for the same things, alternately: an application of one
pod, and the sample shop, whose seed runs with every push.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import Tools
from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.embedded.samples import LOOKS
from bot.embedded.world import DOMAIN, GATEWAY, NodeCluster
from bot.environments.render_request import render_request
from bot.model.environment import EnvironmentKey
from bot.model.manifest import Wave
from bot.model.release import Image
from bot.model.repository import Repository
from bot.model.routing import Hosts
from bot.settings import Domain
from tests.bench.figures import Figures, Goal, median
from tests.bench.metrics import wait_for_sweeps, wait_until_idle
from tests.bench.scenario import MeasuredScenario, measured_scenario
from tests.node.cluster import node_cluster

ROUNDS = 5
_SECONDS = 180
_LOOK_SECONDS = 0.02
_NAMESPACE = "bench-kubectl"
_WAITS = {
    "Deployment": ("rollout", "status"),
    "StatefulSet": ("rollout", "status"),
    "Job": ("wait", "--for=condition=Complete"),
}
_STAGE = b"\nstages:\n  staging: {}\n"


@dataclass
class _Turns:
    """Seconds of both sides, a pair for each round."""

    bot: list[float] = field(default_factory=list)
    kubectl: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return median(self.bot) / median(self.kubectl)

    @property
    def difference(self) -> float:
        return median(self.bot) - median(self.kubectl)


async def bench() -> Figures:
    figures = Figures(f"On a real node, median of {ROUNDS} rounds", ("", "Greenroom, s", "kubectl, s"))
    with node_cluster() as node:
        plain, reported, closed, rolled_back = await _small(node)
        seeded = await _seeded(node)
    rows = {
        "push, new release responds": plain,
        "push with data, new release responds": seeded,
        "close, namespace deleted": closed,
        "rollback, previous release responds": rolled_back,
    }
    for name, turns in rows.items():
        figures.rows.append((name, f"{median(turns.bot):.2f}", f"{median(turns.kubectl):.2f}"))
    figures.rows.append(("response, pull request shows it", f"{median(reported):.2f}", ""))
    figures.goals += [
        Goal("push to response, against kubectl", plain.ratio, 1.1),
        Goal("push to response with data, against kubectl", seeded.ratio, 1.1),
        Goal("response to report, s", median(reported), 1.0),
        Goal("close, against kubectl delete namespace", closed.ratio, 1.1),
        Goal("rollback, after kubectl rollout undo, s", rolled_back.difference, 1.5),
    ]
    return figures


async def _small(node: NodeCluster) -> tuple[_Turns, list[float], _Turns, _Turns]:
    """One pod: pushes with the time from response to report, closes and rollbacks."""
    pushes, reported, closed, rolled_back = _Turns(), [], _Turns(), _Turns()
    async with measured_scenario(node, small=True, pipeline=_STAGE) as scenario:
        kubectl = _Kubectl(node, scenario)
        sentences = [f"Release {number}." for number in range(ROUNDS + 1)]
        versions = [scenario.application | {"sentence.txt": text.encode()} for text in sentences]
        commits = [await scenario.push(f"prepared-{i}", files) for i, files in enumerate(versions)]
        await wait_for_sweeps(scenario.bot.url)
        number = await scenario.open("change", versions[0])
        await scenario.wait_until_ready(number)
        await kubectl.create_namespace()
        await kubectl.apply(versions[0], commits[0], sentences[0])
        for commit, files, text in zip(commits[1:], versions[1:], sentences[1:], strict=True):
            await wait_until_idle(scenario.bot.url)
            answered, ready = await _push(scenario, number, commit, text)
            pushes.bot.append(answered)
            reported.append(ready - answered)
            await wait_until_idle(scenario.bot.url)
            pushes.kubectl.append(await kubectl.apply(files, commit, text))
        await _rollbacks(scenario, kubectl, number, rolled_back, sentences)
        await _closes(scenario, kubectl, number, versions[0], commits[0], closed)
    return pushes, reported, closed, rolled_back


async def _seeded(node: NodeCluster) -> _Turns:
    """The sample shop with its database and seed."""
    turns = _Turns()
    async with measured_scenario(node) as scenario:
        kubectl = _Kubectl(node, scenario)
        looks = ["spring" if number % 2 else "autumn" for number in range(ROUNDS + 1)]
        versions = [
            scenario.files(look) | {"round.txt": str(number).encode()} for number, look in enumerate(looks)
        ]
        commits = [await scenario.push(f"prepared-{i}", files) for i, files in enumerate(versions)]
        await wait_for_sweeps(scenario.bot.url)
        number = await scenario.open("change", versions[0])
        await scenario.wait_until_ready(number)
        await kubectl.create_namespace()
        words = [LOOKS[look].products[0][1] for look in looks]
        await kubectl.apply(versions[0], commits[0], words[0])
        for commit, files, word in zip(commits[1:], versions[1:], words[1:], strict=True):
            await wait_until_idle(scenario.bot.url)
            turns.bot.append((await _push(scenario, number, commit, word))[0])
            await wait_until_idle(scenario.bot.url)
            turns.kubectl.append(await kubectl.apply(files, commit, word))
    return turns


async def _rollbacks(
    scenario: MeasuredScenario, kubectl: _Kubectl, number: int, turns: _Turns, sentences: Sequence[str]
) -> None:
    """Promotes one release after the other to a stage, and rolls each back to the one before."""
    host = scenario.stage_host("staging")
    await scenario.comment(number, "/promote staging")
    await _until_answer(scenario, host, sentences[-1])
    for round_number in range(ROUNDS):
        text = f"Staged {round_number}."
        await scenario.push("change", {"sentence.txt": text.encode()})
        await scenario.wait_until_ready(number)
        await scenario.comment(number, "/promote staging")
        await _until_answer(scenario, host, text)
        await wait_until_idle(scenario.bot.url)
        began = time.perf_counter()
        await scenario.comment(number, "/rollback staging")
        await _until_answer(scenario, host, sentences[-1])
        turns.bot.append(time.perf_counter() - began)
        await wait_until_idle(scenario.bot.url)
        await scenario.comment(number, "/unhold staging")
        turns.kubectl.append(await kubectl.undo(sentences[-2 if round_number % 2 == 0 else -1]))


async def _closes(
    scenario: MeasuredScenario,
    kubectl: _Kubectl,
    number: int,
    version: Mapping[str, bytes],
    commit: str,
    turns: _Turns,
) -> None:
    """Closes the pull request and opens it again; deletes and creates the namespace of kubectl."""
    for _ in range(ROUNDS):
        await wait_until_idle(scenario.bot.url)
        began = time.perf_counter()
        await scenario.close(number)
        await scenario.no_preview(number)
        turns.bot.append(time.perf_counter() - began)
        turns.kubectl.append(await kubectl.delete_namespace())
        await kubectl.create_namespace()
        await kubectl.apply(version, commit, version["sentence.txt"].decode())
        await scenario.reopen(number)
        await scenario.wait_until_ready(number)


async def _push(scenario: MeasuredScenario, number: int, commit: str, text: str) -> tuple[float, float]:
    """Seconds until the new release responds, and until the pull request shows it as ready."""
    began = time.perf_counter()
    answer = asyncio.create_task(_until_answer(scenario, scenario.host(number), text))
    reset = scenario.github.repositories.reset_branch
    await asyncio.to_thread(reset, scenario.repository, "change", commit, by="ada")
    await scenario.wait_until_ready(number)
    ready = time.perf_counter()
    return await answer - began, ready - began


async def _until_answer(scenario: MeasuredScenario, host: str, text: str) -> float:
    """Sends requests through the gateway until one returns the text; returns when."""
    world = scenario.world
    headers = {"Host": f"{host}:{world.gateway_port}"}
    async with asyncio.timeout(_SECONDS), httpx.AsyncClient(trust_env=False, headers=headers) as visitor:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if text in (await visitor.get(f"http://{world.gateway_address}/", timeout=1)).text:
                    return time.perf_counter()
            await asyncio.sleep(_LOOK_SECONDS)


class _Kubectl:
    """Deploys the bot's rendered objects with kubectl into a namespace of its own."""

    def __init__(self, node: NodeCluster, scenario: MeasuredScenario) -> None:
        self._node, self._scenario = node, scenario
        self._host = f"kubectl.{DOMAIN}"

    async def create_namespace(self) -> None:
        await self._run("create", "namespace", _NAMESPACE)

    async def delete_namespace(self) -> float:
        began = time.perf_counter()
        await self._run("delete", "namespace", _NAMESPACE, "--wait")
        return time.perf_counter() - began

    async def apply(self, files: Mapping[str, bytes], commit: str, text: str) -> float:
        """Applies a release wave by wave and waits for each; returns the seconds until it responds."""
        waves = await self._waves(files, commit)
        began = time.perf_counter()
        answer = asyncio.create_task(_until_answer(self._scenario, self._host, text))
        for objects in waves:
            if not objects:
                continue
            document = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
            await self._run("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=document)
            for body in objects:
                if wait := _WAITS.get(body["kind"]):
                    name = f"{body['kind']}/{body['metadata']['name']}"
                    await self._run(*wait, name, f"--namespace={_NAMESPACE}", f"--timeout={_SECONDS}s")
        return await answer - began

    async def undo(self, text: str) -> float:
        """Undoes the last rollout; returns the seconds until the release before it responds."""
        began = time.perf_counter()
        answer = asyncio.create_task(_until_answer(self._scenario, self._host, text))
        await self._run("rollout", "undo", "deployment/hello", f"--namespace={_NAMESPACE}")
        return await answer - began

    async def _waves(self, files: Mapping[str, bytes], commit: str) -> list[Sequence[Any]]:
        scenario = self._scenario
        configuration = parse_configuration(files[CONFIG_FILE].decode())
        tag = await scenario.digest(commit)
        images = {name: Image(image.repository, tag) for name, image in configuration.images.items()}
        owner, _, name = scenario.repository.partition("/")
        request = render_request(
            configuration,
            environment=EnvironmentKey.preview(1, 1),
            repository=Repository(1, 1, owner, name),
            namespace=_NAMESPACE,
            commit=commit,
            images=images,
            files=files,
            hosts=Hosts(self._host, self._host),
        )
        namespace, _, gateway = GATEWAY.partition("/")
        policy = ClusterPolicy(namespace, gateway, Domain("http", DOMAIN, scenario.world.gateway_port))
        bundle = await ManifestRenderer(policy, Tools()).render(request)
        return [bundle.waves[wave] for wave in Wave]

    async def _run(self, *arguments: str, stdin: str | None = None) -> None:
        kubeconfig = self._node.kubeconfig
        command = [str(kubeconfig.parents[1] / "bin" / "kubectl"), f"--kubeconfig={kubeconfig}", *arguments]
        run = partial(subprocess.run, input=stdin, text=True, check=True, stdout=subprocess.DEVNULL)
        await asyncio.to_thread(run, command)

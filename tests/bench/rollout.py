"""From a push to the response at the URL, compared with kubectl, on a real control plane.

Both roll out one release after the other, alternately: one pod, images built before, the same node and
gateway. The bot receives a webhook, reads pull request and commit, renders, applies in waves, watches, probes
through the gateway and reports; kubectl applies the rendered objects from a file.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import Tools
from bot.embedded.world import GATEWAY
from bot.model.environment import EnvironmentKey
from bot.model.manifest import RenderRequest
from bot.model.release import Image
from bot.model.repository import Repository
from bot.model.routing import Backend, Hosts, Routing, ServiceRoute
from bot.settings import Domain
from tests.bench.figures import Figures, Goal, median
from tests.bench.metrics import wait_for_sweeps, wait_until_idle
from tests.bench.scenario import MeasuredScenario, measured_scenario
from tests.kubernetes.control_plane import control_plane

ROUNDS = 8
MOST = 1.1
_LOOK_SECONDS = 0.02
_PATIENCE_SECONDS = 120
_NAMESPACE = "bench-kubectl"
_KUBECTL_HOST = "kubectl.localhost"
_SENTENCES = tuple(f"This is release {number}." for number in range(ROUNDS + 1))

Kubectl = Callable[..., object]
"""Runs kubectl with these arguments as the administrator."""


@dataclass(frozen=True)
class Rollout:
    """Seconds since the push, or since kubectl was started."""

    answered: float
    """First response of the new release at the URL."""
    reported: float
    """The pull request shows it as ready, or kubectl reports the rollout as complete."""


async def bench() -> Figures:
    figures = Figures(
        f"A push on a real control plane, median of {ROUNDS} rounds",
        ("", "new release responds, s", "reported as ready, s", "slowest, s"),
    )
    with control_plane() as plane:
        async with measured_scenario(plane.kubeconfig, small=True) as scenario:
            bot, kubectl = await in_turns(scenario, plane.kubectl, ROUNDS)
    for name, turns in (("Greenroom, push", bot), ("kubectl, apply and rollout status", kubectl)):
        answered, reported = [rollout.answered for rollout in turns], [rollout.reported for rollout in turns]
        values = (median(answered), median(reported), max(reported))
        figures.rows.append((name, *(f"{value:.2f}" for value in values)))
    ratio = median([rollout.answered for rollout in bot]) / median([rollout.reported for rollout in kubectl])
    figures.goals.append(Goal("push to response, against kubectl's rollout", ratio, MOST))
    return figures


async def in_turns(
    scenario: MeasuredScenario, kubectl: Kubectl, rounds: int
) -> tuple[list[Rollout], list[Rollout]]:
    """Rollouts of the bot and of kubectl, one after the other."""
    by_bot, by_kubectl = [], []
    sentences = _SENTENCES[: rounds + 1]
    commits = [
        await scenario.push(f"prepared-{number}", scenario.hello(text))
        for number, text in enumerate(sentences)
    ]
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        files = [await _objects(scenario, which, Path(folder)) for which in range(len(sentences))]
        await wait_for_sweeps(scenario.bot.url)
        number = await scenario.open("change", scenario.hello(_SENTENCES[0]))
        await scenario.wait_until_ready(number)
        await asyncio.to_thread(kubectl, "create", "namespace", _NAMESPACE)
        await _kubectl(scenario, kubectl, files[0], 0)
        for which in range(1, len(sentences)):
            await wait_until_idle(scenario.bot.url)
            by_bot.append(await _push(scenario, number, commits[which], which))
            await wait_until_idle(scenario.bot.url)
            by_kubectl.append(await _kubectl(scenario, kubectl, files[which], which))
    return by_bot, by_kubectl


async def _push(scenario: MeasuredScenario, number: int, commit: str, which: int) -> Rollout:
    began = time.perf_counter()
    answer = asyncio.create_task(_answered(scenario, scenario.host(number), which, began))
    await asyncio.to_thread(
        scenario.github.repositories.reset_branch, scenario.repository, "change", commit, by="ada"
    )
    await scenario.wait_until_ready(number)
    return Rollout(await answer, time.perf_counter() - began)


async def _kubectl(scenario: MeasuredScenario, kubectl: Kubectl, objects: Path, which: int) -> Rollout:
    began = time.perf_counter()
    answer = asyncio.create_task(_answered(scenario, _KUBECTL_HOST, which, began))
    await asyncio.to_thread(kubectl, "apply", "--server-side", f"--filename={objects}")
    # `kubectl wait` returns at once while the old pods are ready.
    status = ("rollout", "status", "deployment/hello", f"--namespace={_NAMESPACE}")
    await asyncio.to_thread(kubectl, *status)
    return Rollout(await answer, time.perf_counter() - began)


async def _answered(scenario: MeasuredScenario, host: str, which: int, began: float) -> float:
    """Sends requests through the gateway until the new release responds."""
    url = f"http://{scenario.world.gateway_address}/"
    async with asyncio.timeout(_PATIENCE_SECONDS), httpx.AsyncClient(trust_env=False) as visitor:
        while True:
            answer = await visitor.get(url, headers={"Host": f"{host}:{scenario.world.gateway_port}"})
            if answer.text == _SENTENCES[which]:
                return time.perf_counter() - began
            await asyncio.sleep(_LOOK_SECONDS)


async def _objects(scenario: MeasuredScenario, which: int, folder: Path) -> Path:
    """A file with the bot's rendered objects of this release, for another namespace and host."""
    files = scenario.hello(_SENTENCES[which])
    repository = scenario.repository.lower()
    digest = await scenario.world.build(repository, f"bench-{which}", files)
    namespace, _, gateway = GATEWAY.partition("/")
    policy = ClusterPolicy(namespace, gateway, Domain("http", "localhost", scenario.world.gateway_port))
    request = RenderRequest(
        environment=EnvironmentKey.preview(1, 1),
        repository=Repository(1, 1, "acme", "bench"),
        namespace=_NAMESPACE,
        commit="0" * 40,
        images={"hello": Image(f"{scenario.world.registry_host}/{repository}", digest)},
        files=files,
        directory="",
        paths=("deploy",),
        routing=Routing((ServiceRoute("hello", Backend("hello", 80)),)),
        hosts=Hosts(_KUBECTL_HOST, _KUBECTL_HOST),
    )
    bundle = await ManifestRenderer(policy, Tools()).render(request)
    path = folder / f"release-{which}.json"
    objects: Sequence[object] = [rollout for wave in bundle.waves.values() for rollout in wave]
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    return path

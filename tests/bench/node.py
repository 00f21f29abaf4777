"""Previews on a real node, compared with kubectl in the same run. Runs in the node's network namespace.

Both apply the same objects in the same order and wait for the same things, alternately: an application of one
pod, and the sample shop, whose seed runs with every push.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.embedded.samples import SEED, THEME
from bot.embedded.world import NodeCluster
from tests.bench.figures import Figures, Goal, median
from tests.bench.kubectl import SECONDS, Administrator, Kubectl
from tests.bench.metrics import wait_for_sweeps, wait_until_idle
from tests.bench.scenario import MeasuredScenario, measured_scenario, until_answer
from tests.node.cluster import node_cluster

ROUNDS = 5
_STAGE = b"\nstages:\n  staging: {}\n"


@dataclass
class Turns:
    """Seconds of both sides, a pair for each round."""

    bot: list[float] = field(default_factory=list)
    kubectl: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return median(self.bot) / median(self.kubectl)

    @property
    def difference(self) -> float:
        return median(self.bot) - median(self.kubectl)


@dataclass(frozen=True)
class Version:
    """A pushed commit, whose image is built, and the words that only this version shows."""

    commit: str
    files: Mapping[str, bytes]
    words: tuple[str, ...]


async def bench() -> Figures:
    with node_cluster() as node:
        programs = node.kubeconfig.parents[1] / "bin"
        return await measure(node, Administrator(programs / "kubectl", node.kubeconfig))


async def measure(cluster: Path | NodeCluster, administrator: Administrator) -> Figures:
    """The cluster is a node, or to try the bench a real control plane."""
    figures = Figures(f"On a real node, median of {ROUNDS} rounds", ("", "Greenroom, s", "kubectl, s"))
    plain, reported, rolled_back, closed = await _small(cluster, administrator)
    await administrator.remove_environments()
    seeded = await _seeded(cluster, administrator)
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


async def _small(
    cluster: Path | NodeCluster, administrator: Administrator
) -> tuple[Turns, list[float], Turns, Turns]:
    """One pod: pushes with the time from response to report, rollbacks and closes."""
    async with measured_scenario(cluster, small=True, pipeline=_STAGE) as scenario:
        kubectl = Kubectl(administrator, scenario, "bench-small")
        texts = [f"Release {number} of {ROUNDS}." for number in range(ROUNDS + 1)]
        changes = [{"sentence.txt": text.encode()} for text in texts]
        versions = await _versions(scenario, [(c, (t,)) for c, t in zip(changes, texts, strict=True)])
        number = await _opened(scenario, kubectl, versions[0])
        pushes, reported = await _pushes(scenario, kubectl, number, versions[1:])
        rolled_back = await _rollbacks(scenario, kubectl, number, versions[-2:])
        closed = await _closes(scenario, administrator, versions[0])
        await kubectl.delete_namespace()
    return pushes, reported, rolled_back, closed


async def _seeded(cluster: Path | NodeCluster, administrator: Administrator) -> Turns:
    """The sample shop with its database. Each version has other code and another seed, and shows both."""
    async with measured_scenario(cluster) as scenario:
        kubectl = Kubectl(administrator, scenario, "bench-seeded")
        changes = [_restocked(scenario.application, number) for number in range(ROUNDS + 1)]
        versions = await _versions(scenario, changes)
        number = await _opened(scenario, kubectl, versions[0])
        pushes, _ = await _pushes(scenario, kubectl, number, versions[1:])
        await kubectl.delete_namespace()
    return pushes


def _restocked(files: Mapping[str, bytes], number: int) -> tuple[Mapping[str, bytes], tuple[str, ...]]:
    """Changed files of the shop, and the words on its page: from the code, and from the seeded data."""
    slogan, product = f"Slogan {number} of {ROUNDS}", f"Product {number} of {ROUNDS}"
    catalogue = json.loads(files[SEED])
    catalogue[0]["name"] = product
    lines = [
        f'TAGLINE = "{slogan}"' if line.startswith("TAGLINE = ") else line
        for line in files[THEME].decode().splitlines()
    ]
    changed = {SEED: json.dumps(catalogue).encode(), THEME: "\n".join([*lines, ""]).encode()}
    return changed, (slogan, product)


async def _versions(
    scenario: MeasuredScenario, changes: Sequence[tuple[Mapping[str, bytes], tuple[str, ...]]]
) -> list[Version]:
    """Pushes each version to a branch of its own, and returns when the CI has built all."""
    versions = []
    for index, (changed, words) in enumerate(changes):
        files = {**scenario.application, **changed}
        versions.append(Version(await scenario.push(f"prepared-{index}", files), files, words))
    await asyncio.to_thread(scenario.github.wait_idle, SECONDS)
    return versions


async def _opened(scenario: MeasuredScenario, kubectl: Kubectl, version: Version) -> int:
    """Opens a pull request with this version, and deploys the same with kubectl."""
    async with asyncio.timeout(SECONDS):
        await wait_for_sweeps(scenario.bot.url)
    number = await scenario.open("change", dict(version.files))
    await scenario.wait_until_ready(number)
    await kubectl.create_namespace()
    await kubectl.apply(version.files, version.commit, *version.words)
    return number


async def _pushes(
    scenario: MeasuredScenario, kubectl: Kubectl, number: int, versions: Sequence[Version]
) -> tuple[Turns, list[float]]:
    """Seconds until each version responds, and from then until the pull request shows it as ready."""
    turns, reported = Turns(), []
    for version in versions:
        await _idle(scenario)
        answered, ready = await _push(scenario, number, version)
        turns.bot.append(answered)
        reported.append(ready - answered)
        await _idle(scenario)
        turns.kubectl.append(await kubectl.apply(version.files, version.commit, *version.words))
    return turns, reported


async def _push(scenario: MeasuredScenario, number: int, version: Version) -> tuple[float, float]:
    """Seconds until the version responds, and until the pull request shows it as ready."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(until_answer(scenario, scenario.host(number), version.words, SECONDS))
        reset = scenario.github.repositories.reset_branch
        await asyncio.to_thread(reset, scenario.repository, "change", version.commit, by="ada")
        await scenario.wait_until_ready(number)
        ready = time.perf_counter()
    return answer.result() - began, ready - began


async def _rollbacks(
    scenario: MeasuredScenario, kubectl: Kubectl, number: int, versions: Sequence[Version]
) -> Turns:
    """Promotes a newer release to a stage again and again, and rolls it back to the one before.

    `versions` are the last two that kubectl deployed: it undoes the last rollout, then the undoing.
    """
    turns, host = Turns(), scenario.stage_host("staging")
    (before,) = versions[-1].words
    await _promote(scenario, number, host, before)
    await scenario.push("change", {"sentence.txt": b"Staged."})
    await scenario.wait_until_ready(number)
    for round_number in range(ROUNDS):
        await _promote(scenario, number, host, "Staged.")
        began = time.perf_counter()
        await scenario.comment(number, "/rollback staging")
        turns.bot.append(await until_answer(scenario, host, (before,), SECONDS) - began)
        await _idle(scenario)
        await scenario.comment(number, "/unhold staging")
        await _idle(scenario)
        turns.kubectl.append(await kubectl.undo(versions[round_number % 2].words[0]))
    return turns


async def _promote(scenario: MeasuredScenario, number: int, host: str, text: str) -> None:
    """Returns when the promotion of the pull request's head has ended."""
    await scenario.comment(number, "/promote staging")
    await until_answer(scenario, host, (text,), SECONDS)
    await _idle(scenario)


async def _closes(scenario: MeasuredScenario, administrator: Administrator, version: Version) -> Turns:
    """Closes pull requests one after the other, and deletes as many namespaces of kubectl in between."""
    turns = Turns()
    names = [f"close-{number}" for number in range(ROUNDS)]
    numbers = [await scenario.open(name, {**version.files, "NAME": name.encode()}) for name in names]
    others = [Kubectl(administrator, scenario, f"bench-{name}") for name in names]
    for other in others:
        await other.create_namespace()
        await other.apply(version.files, version.commit, *version.words)
    for number in numbers:
        await scenario.wait_until_ready(number)
    for number, other in zip(numbers, others, strict=True):
        await _idle(scenario)
        began = time.perf_counter()
        await scenario.close(number)
        await scenario.no_preview(number)
        turns.bot.append(time.perf_counter() - began)
        await _idle(scenario)
        turns.kubectl.append(await other.delete_namespace())
    return turns


async def _idle(scenario: MeasuredScenario) -> None:
    """Returns when the CI, the deliveries and the bot have nothing to do."""
    await asyncio.to_thread(scenario.github.wait_idle, SECONDS)
    async with asyncio.timeout(SECONDS):
        await wait_until_idle(scenario.bot.url)

"""Progressive rollouts in stories: an application that can fail, and what the stage shows."""

from __future__ import annotations

import asyncio
import time

import pytest

from bot.cluster.client.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE
from bot.model.naming import namespace_name
from bot.model.promotion import Promotion, PromotionState
from tests.story.conftest import PATIENCE_SECONDS
from tests.story.stages import Stages

CANARY = """
stages:
  production:
    checks: [{http: /}]
    rollout:
      canary:
        steps: [20, 50, 100]
        interval: 1s
        analysis: {looks: 2, requests: 4}
"""
BLUE_GREEN = "\nstages:\n  production: {checks: [{http: /}], rollout: {blue_green: {keep: KEEP}}}\n"


async def first(stages: Stages) -> None:
    """The stage's first release, which nothing is compared with."""
    number = await stages.open("first", "Stable.")
    await stages.comment(number, "/promote production")
    await stages.comment_with(number, "✅ Release", "**production**")


async def names(stages: Stages) -> set[str]:
    """Kinds and names of the stage's Deployments, Services and routes."""
    namespace = namespace_name(stages.key("production"), stages.repository)
    lists = [
        await stages.scenario.world.client.list(kind, namespace) for kind in (DEPLOYMENT, SERVICE, HTTP_ROUTE)
    ]
    return {
        f"{item['kind']}/{item['metadata']['name']}"
        for collection in lists
        for item in collection.items
        if not item["metadata"].get("deletionTimestamp")
    }


async def weights(stages: Stages) -> list[int]:
    """The weights of the backends of the stage's route."""
    namespace = namespace_name(stages.key("production"), stages.repository)
    route = await stages.scenario.world.client.get(HTTP_ROUTE, "greenroom-route", namespace)
    return [ref.get("weight", 1) for rule in route["spec"]["rules"] for ref in rule["backendRefs"]]


async def comes_to(stages: Stages, state: PromotionState) -> Promotion:
    """Waits until the newest promotion is in this state."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(promotions := await stages.promotions("production")) < 2 or promotions[0].state is not state:
        newest = promotions[0]
        if time.monotonic() >= deadline:
            environment = await stages.store.environments.get(stages.key("production"))
            log = stages.scenario.bot.log.read_text(errors="replace")[-6000:]
            pytest.fail(f"{newest.state} {newest.reason} {environment and environment.attempt.wait} {log}")
        await asyncio.sleep(0.1)
    return promotions[0]


async def reaches(stages: Stages, weight: int) -> Promotion:
    """Waits until the candidate has this share of the traffic."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        [newest, *_] = await stages.promotions("production")
        if newest.rollout is not None and newest.rollout.weight == weight:
            return newest
        assert time.monotonic() < deadline, (newest.state, newest.reason, newest.rollout)
        await asyncio.sleep(0.05)


def serving(files: dict[str, bytes], lines: str) -> dict[str, bytes]:
    """The application with these lines before its answer; they know `sentence` and `self.path`."""
    answer = b"        self.send_response(200)\n"
    code = "".join(f"        {line}\n" for line in lines.strip().splitlines()).encode()
    own = b'        sentence, status = open("sentence.txt").read(), 200\n' + code
    served = files["serve.py"].replace(answer, own + b"        self.send_response(status)\n")
    return {**files, "serve.py": served.replace(b"import os\n", b"import os\nimport time\n")}

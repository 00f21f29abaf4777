"""Progressive rollouts with failures: slow and crashing revisions, other clients, kills, a failed finish."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from bot.cluster.client.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, HTTP_ROUTE
from bot.embedded.kubernetes.faults import Fault
from bot.model.naming import namespace_name
from bot.model.promotion import PromotionState
from bot.model.rollout import Decision, Progress
from tests.story.conftest import PATIENCE_SECONDS, Scenario, embedded_only, real_and_node
from tests.story.rollouts import BLUE_GREEN, CANARY, comes_to, first, names, reaches, serving, weights
from tests.story.stages import Stages, staged
from tests.story.traffic import traffic

pytestmark = pytest.mark.long

_ENDLESS = CANARY.replace("looks: 2", "looks: 90")
"""A canary that stays at its first step unless it is worse."""
_BOUNDARIES = ("preparing", "20 %", "50 %", "100 %", "finishing")
_CRASH = 'if "SENTENCE" in sentence and self.path == "/die": os._exit(1)'
_FINISH_FAILS = b"""
odd = "Odd" in open("sentence.txt").read() and "PLACE" not in os.environ
if odd and "-gr" not in os.environ["POD"]:
    raise SystemExit(1)
"""
_SCALER = b"""
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: hello}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: hello}
  minReplicas: 1
  maxReplicas: 6
"""


def _namespace(stages: Stages) -> str:
    return namespace_name(stages.key("production"), stages.repository)


async def _change_weights(stages: Stages, candidate: int) -> None:
    """Another client gives the candidate this share."""
    client, namespace = stages.scenario.world.client, _namespace(stages)
    route = await client.get(HTTP_ROUTE, "greenroom-route", namespace)
    rules: list[dict[str, Any]] = route["spec"]["rules"]
    for rule in rules:
        rule["backendRefs"][0]["weight"] = 100 - candidate
        rule["backendRefs"][1]["weight"] = candidate
    await client.patch(HTTP_ROUTE, "greenroom-route", {"spec": {"rules": rules}}, namespace)


async def _until_weights(stages: Stages, expected: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (current := await weights(stages)) != expected:
        [newest, *_] = await stages.promotions("production")
        assert time.monotonic() < deadline, (current, newest.state, newest.reason, newest.rollout)
        await asyncio.sleep(0.1)


async def test_slow_candidate_is_rolled_back(small: Scenario) -> None:
    pipeline = CANARY.replace("requests: 4", "requests: 10, slow: 300ms")
    async with staged(small, pipeline) as stages:
        slow = 'time.sleep(0.4 if "Slow" in sentence and self.path == "/buy" else 0)'
        files = serving(small.hello(), slow)
        # So that a busy machine does not fail the probe.
        files["serve.py"] = files["serve.py"].replace(b"HTTPServer", b"ThreadingHTTPServer")
        stages.application = files
        await stages.configure(pipeline)
        await first(stages)
        number = await stages.open("slow", "Slow.")
        async with traffic(stages, "production", "/buy") as users:
            await stages.comment(number, "/promote production")
            promotion = await comes_to(stages, PromotionState.ROLLED_BACK)
        assert "of the requests to the candidate took more than 0.3 s" in promotion.reason
        assert users.failures == []
        assert await weights(stages) == [1]


async def test_canary_without_traffic_is_rolled_back_in_the_end(small: Scenario) -> None:
    pipeline = CANARY.replace("requests: 4", "requests: 4, pause_after: 2s, roll_back_after: 4s")
    async with staged(small, pipeline) as stages:
        await first(stages)
        number = await stages.open("idle", "Candidate.")
        await stages.comment(number, "/promote production")
        promotion = await comes_to(stages, PromotionState.ROLLED_BACK)
        assert "the analysis was inconclusive" in promotion.reason
        actions = [entry.action for entry in await stages.audit("production")]
        assert "paused" in actions
        assert await weights(stages) == [1]


async def test_candidate_that_crashes_in_a_step_is_rolled_back(small: Scenario) -> None:
    async with staged(small, _ENDLESS) as stages:
        stages.application = serving(small.hello(), _CRASH.replace("SENTENCE", "Crash"))
        await stages.configure(_ENDLESS)
        await first(stages)
        number = await stages.open("crash", "Crash.")
        async with traffic(stages, "production", "/die") as users:
            await stages.comment(number, "/promote production")
            promotion = await comes_to(stages, PromotionState.ROLLED_BACK)
        assert promotion.rollout is not None
        assert promotion.rollout.progress is Progress.RETURNED
        assert users.statuses[200] > 0
        assert await weights(stages) == [1]
        assert (await stages.page("production")).text == "Stable."


@pytest.mark.timeout(300)  # the kubelet restarts a pod that crashes again only after a pause
async def test_good_candidate_replaces_a_stable_revision_that_crashes(small: Scenario) -> None:
    async with staged(small, CANARY) as stages:
        stages.application = serving(small.hello(), _CRASH.replace("SENTENCE", "Stable"))
        await stages.configure(CANARY)
        await first(stages)
        number = await stages.open("repair", "Repaired.")
        async with traffic(stages, "production", "/die"):
            await stages.comment(number, "/promote production")
            await comes_to(stages, PromotionState.SUCCEEDED)
        assert (await stages.page("production")).text == "Repaired."
        assert await weights(stages) == [1]


async def test_candidate_has_its_own_configuration(small: Scenario) -> None:
    lines = (
        'self.send_response(200); self.end_headers(); self.wfile.write(os.environ["COLOUR"].encode()); return'
    )
    before = (
        CANARY.replace("checks:", "config: {COLOUR: blue}\n    checks:")
        + "preview: {config: {COLOUR: grey}}\n"
    )
    async with staged(small, before) as stages:
        stages.application = serving(small.hello(), lines)
        await stages.configure(before)
        await first(stages)
        after = before.replace("blue", "green").replace("looks: 2", "looks: 90")
        await stages.configure(after)
        number = await stages.open("green", "Stable.", more="note")
        async with traffic(stages, "production") as users:
            await stages.comment(number, "/promote production")
            await reaches(stages, 20)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not users.bodies["green"]:
                assert time.monotonic() < deadline, users.bodies
                await asyncio.sleep(0.1)
            blue = users.bodies["blue"]
            await asyncio.sleep(2)
            assert users.bodies["blue"] > blue
            await stages.comment(number, "/promote production --now")
            await comes_to(stages, PromotionState.SUCCEEDED)
        assert users.failures == []
        assert (await stages.page("production")).text == "green"


async def test_candidate_follows_the_size_of_an_autoscaled_stable_revision(small: Scenario) -> None:
    files = small.hello()
    files["deploy/hello.yaml"] += _SCALER
    async with staged(small, _ENDLESS) as stages:
        stages.application = files
        await stages.configure(_ENDLESS)
        await first(stages)
        client, namespace = small.world.client, _namespace(stages)
        await client.patch(DEPLOYMENT, "hello", {"spec": {"replicas": 2}}, namespace)
        number = await stages.open("larger", "Candidate.")
        await stages.comment(number, "/promote production")
        await reaches(stages, 20)
        scaler = await client.get(HORIZONTAL_POD_AUTOSCALER, "hello", namespace)
        assert scaler["spec"]["minReplicas"] == 2
        assert await _candidate_pods(stages) == 2
        await client.patch(DEPLOYMENT, "hello", {"spec": {"replicas": 3}}, namespace)
        await stages.comment(number, "/promote production --now")
        await reaches(stages, 100)
        assert await _candidate_pods(stages) >= 3


async def _candidate_pods(stages: Stages) -> int:
    deployments = await stages.scenario.world.client.list(DEPLOYMENT, _namespace(stages))
    [replicas] = [
        item["status"].get("readyReplicas", 0)
        for item in deployments.items
        if item["metadata"]["name"].startswith("hello-gr")
    ]
    return int(replicas)


async def test_second_promotion_is_refused_until_the_rollout_ends(small: Scenario) -> None:
    async with staged(small, _ENDLESS) as stages:
        await first(stages)
        earlier = await stages.open("earlier", "Candidate.")
        later = await stages.open("later", "Later.")
        await stages.comment(earlier, "/promote production")
        await reaches(stages, 20)
        await stages.comment(later, "/promote production")
        await stages.comment_with(later, "which is rolling out", "`/abort production`")
        await stages.comment(earlier, "/abort production")
        await stages.comment_with(earlier, "↩️ Rolled **production** back")
        await stages.comment(later, "/promote production")
        promotion = await reaches(stages, 20)
        assert promotion.number == later
        await stages.comment(later, "/promote production --now")
        await stages.comment_with(later, "✅ Release", "**production**")
        assert (await stages.page("production")).text == "Later."


async def test_weights_of_another_client_are_corrected_once_and_then_pause(small: Scenario) -> None:
    async with staged(small, _ENDLESS) as stages:
        await first(stages)
        number = await stages.open("changed", "Candidate.")
        await stages.comment(number, "/promote production")
        await reaches(stages, 20)
        await _until_weights(stages, [80, 20])
        await _change_weights(stages, 70)
        await stages.comment_with(
            number, "Another client changed the weights of a route; Greenroom restored them"
        )
        await _until_weights(stages, [80, 20])
        await _change_weights(stages, 60)
        await stages.comment_with(number, "changed the weights of a route again")
        await asyncio.sleep(3)
        assert await weights(stages) == [40, 60]
        await stages.comment(number, "/resume production")
        await _until_weights(stages, [80, 20])
        await stages.comment(number, "/abort production")
        await stages.comment_with(number, "↩️ Rolled **production** back")
        assert await weights(stages) == [1]


async def test_blue_green_that_fails_its_check_never_gets_traffic(small: Scenario) -> None:
    pipeline = BLUE_GREEN.replace("KEEP", "1h").replace("http: /", "http: /ok")
    failing = 'status = 500 if "Broken" in sentence and self.path == "/ok" else 200'
    async with staged(small, pipeline) as stages:
        stages.application = serving(small.hello(), failing)
        await stages.configure(pipeline)
        await first(stages)
        number = await stages.open("broken", "Broken.")
        async with traffic(stages, "production") as users:
            await stages.comment(number, "/promote production")
            promotion = await comes_to(stages, PromotionState.ROLLED_BACK)
        assert promotion.rollout is None or promotion.rollout.results == ()
        assert "`GET /ok` returned 500" in promotion.detail, promotion.detail
        assert set(users.bodies) == {"Stable."}
        assert await weights(stages) == [1]


async def test_failed_finish_keeps_the_candidate_until_the_rollback(small: Scenario) -> None:
    """The release only starts under the names of a candidate, or in a preview."""
    pipeline = BLUE_GREEN.replace("KEEP", "1s") + "preview: {config: {PLACE: preview}}\n"
    files = small.hello()
    start = _FINISH_FAILS
    files["serve.py"] = files["serve.py"].replace(b"\n\nclass", b"\n" + start + b"\n\nclass")
    pod = b"          env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]\n"
    manifest = files["deploy/hello.yaml"]
    files["deploy/hello.yaml"] = manifest.replace(
        b"          ports: [{containerPort", pod + b"          ports: [{containerPort"
    )
    async with staged(small, pipeline) as stages:
        stages.application = files
        await stages.configure(pipeline)
        await first(stages)
        number = await stages.open("odd", "Odd.")
        async with traffic(stages, "production") as users:
            await stages.comment(number, "/promote production")
            promotion = await comes_to(stages, PromotionState.ROLLED_BACK)
        assert users.failures == []
        assert set(users.statuses) == {200}
        assert promotion.rollout is not None
        assert promotion.rollout.progress is Progress.FINISHING
        assert (await stages.page("production")).text == "Stable."
        assert await weights(stages) == [1]


@embedded_only
async def test_lost_answer_to_a_returned_route_is_no_change_by_another_client(small: Scenario) -> None:
    """Simulates a kill between the write and its record."""
    kubernetes = small.world.kubernetes
    assert kubernetes is not None
    async with staged(small, _ENDLESS) as stages:
        failing = 'status = 500 if "Bad" in sentence and self.path == "/buy" else 200'
        stages.application = serving(small.hello(), failing)
        await stages.configure(_ENDLESS)
        await first(stages)
        number = await stages.open("bad", "Bad.")
        await stages.comment(number, "/promote production")
        await reaches(stages, 20)
        await _until_weights(stages, [80, 20])
        lost = Fault("PATCH .*/httproutes/greenroom-route$", fail_status=503, times=1, after=True)
        kubernetes.faults.active.append(lost)
        async with traffic(stages, "production", "/buy"):
            promotion = await comes_to(stages, PromotionState.ROLLED_BACK)
        assert lost not in kubernetes.faults.active
        assert "requests to the candidate failed" in promotion.reason
        assert promotion.rollout is not None
        assert promotion.rollout.remark == ""


@embedded_only
@pytest.mark.fault
@pytest.mark.timeout(300)
@pytest.mark.parametrize("boundary", _BOUNDARIES)
async def test_killed_bot_resumes_the_rollout(small: Scenario, boundary: str) -> None:
    async with staged(small, CANARY) as stages:
        await first(stages)
        before = await names(stages)
        number = await stages.open("good", "Candidate.")
        async with traffic(stages, "production") as users:
            await stages.comment(number, "/promote production")
            await _at(stages, boundary, before)
            await small.bot.kill()
            await small.bot.start()
            promotion = await comes_to(stages, PromotionState.SUCCEEDED)
        assert users.failures == []
        assert set(users.statuses) == {200}
        assert promotion.rollout is not None
        passed = {result.weight: result.decision for result in promotion.rollout.results}
        assert passed == dict.fromkeys((20, 50, 100), Decision.ADVANCE)
        assert (await stages.page("production")).text == "Candidate."
        assert await weights(stages) == [1]


@real_and_node
@pytest.mark.timeout(300)
async def test_bot_that_is_killed_in_each_step_finishes_the_rollout(small: Scenario) -> None:
    async with staged(small, CANARY) as stages:
        await first(stages)
        before = await names(stages)
        number = await stages.open("good", "Candidate.")
        async with traffic(stages, "production") as users:
            await stages.comment(number, "/promote production")
            for boundary in _BOUNDARIES:
                await _at(stages, boundary, before)
                await small.bot.kill()
                await small.bot.start()
            promotion = await comes_to(stages, PromotionState.SUCCEEDED)
        assert users.failures == []
        assert set(users.statuses) == {200}
        assert promotion.rollout is not None
        assert [result.weight for result in promotion.rollout.results] == [20, 50, 100]
        assert promotion.rollout.remark == ""
        assert (await stages.page("production")).text == "Candidate."
        assert await weights(stages) == [1]


@embedded_only
@pytest.mark.fault
@pytest.mark.timeout(300)
async def test_killed_bot_resumes_the_rollback(small: Scenario) -> None:
    async with staged(small, BLUE_GREEN.replace("KEEP", "1h")) as stages:
        await first(stages)
        number = await stages.open("green", "Green.")
        await stages.comment(number, "/promote production")
        await reaches(stages, 100)
        await _until_weights(stages, [0, 100])
        async with traffic(stages, "production") as users:
            await stages.comment(number, "/rollback production")
            await small.delivered()
            await small.bot.kill()
            await small.bot.start()
            await comes_to(stages, PromotionState.ROLLED_BACK)
        assert users.failures == []
        assert set(users.statuses) == {200}
        assert await weights(stages) == [1]
        assert (await stages.page("production")).text == "Stable."


async def _at(stages: Stages, boundary: str, before: set[str]) -> None:
    """Waits until the cluster, not only the store, shows the boundary."""
    expected: Mapping[str, list[int]] = {"20 %": [80, 20], "50 %": [50, 50], "100 %": [0, 100]}
    if boundary in expected:
        await _until_weights(stages, expected[boundary])
        return
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        [newest, *_] = await stages.promotions("production")
        finishing = newest.rollout is not None and newest.rollout.progress is Progress.FINISHING
        if finishing if boundary == "finishing" else await names(stages) > before:
            return
        assert time.monotonic() < deadline, newest.state
        await asyncio.sleep(0.02)

"""Progressive rollouts of unusual applications, and users who change their minds."""

from __future__ import annotations

import asyncio
import time

import pytest

from bot.cluster.client.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, HTTP_ROUTE, POD_DISRUPTION_BUDGET
from bot.model.naming import namespace_name
from bot.model.promotion import PromotionState
from tests.story.conftest import PATIENCE_SECONDS, Scenario, embedded_only
from tests.story.rollouts import BLUE_GREEN, CANARY, comes_to, first, names, reaches, serving, weights
from tests.story.stages import Stages, staged
from tests.story.traffic import traffic

pytestmark = pytest.mark.long

_ENDLESS = CANARY.replace("looks: 2", "looks: 90")
_LONG = "h" * 63
"""The longest name of a Service; the Deployment has it too."""
_MORE = f"""
---
apiVersion: v1
kind: Service
metadata: {{name: also}}
spec:
  selector: {{app: hello}}
  ports: [{{port: 80, targetPort: 28080}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: {_LONG}}}
spec: {{maxUnavailable: 1, selector: {{matchLabels: {{app: hello}}}}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: {_LONG}}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {_LONG}}}
  minReplicas: 2
  maxReplicas: 3
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: hello}}
spec:
  rules:
    - host: shop.example.com
      http:
        paths:
PATHS
    - host: admin.example.com
      http:
        paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: also, port: {{number: 80}}}}}}}}]
"""
_PATH = f"""          - path: PATH
            pathType: Prefix
            backend: {{service: {{name: {_LONG}, port: {{number: 80}}}}}}
"""


def _namespace(stages: Stages) -> str:
    return namespace_name(stages.key("production"), stages.repository)


def _unusual(files: dict[str, bytes]) -> dict[str, bytes]:
    """The longest names, two Services for one Deployment, a budget, an autoscaler and 18 paths."""
    paths = "".join(_PATH.replace("PATH", path) for path in ("/", *(f"/part-{n}" for n in range(17))))
    manifests = (
        files["deploy/hello.yaml"].decode().replace("metadata: {name: hello}", f"metadata: {{name: {_LONG}}}")
    )
    configuration = files[".greenroom.yml"].replace(
        b"route: {service: hello, port: 80}", b"routes: manifests"
    )
    served = manifests + _MORE.replace("PATHS\n", paths)
    return {**files, "deploy/hello.yaml": served.encode(), ".greenroom.yml": configuration}


async def _shares(stages: Stages) -> set[tuple[int, ...]]:
    """The weights of the backends in all rules of all routes."""
    routes = await stages.scenario.world.client.list(HTTP_ROUTE, _namespace(stages))
    return {
        tuple(ref.get("weight", 1) for ref in rule["backendRefs"])
        for route in routes.items
        if "greenroom.dev/track" not in route["metadata"]["labels"]
        for rule in route["spec"]["rules"]
    }


async def _until_shares(stages: Stages, expected: set[tuple[int, ...]]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (shares := await _shares(stages)) != expected:
        assert time.monotonic() < deadline, shares
        await asyncio.sleep(0.1)


@embedded_only
@pytest.mark.timeout(300)
async def test_all_routes_of_an_unusual_application_move_and_return(small: Scenario) -> None:
    async with staged(small, _ENDLESS) as stages:
        stages.application = _unusual(small.hello())
        await stages.configure(_ENDLESS)
        await first(stages)
        before = await names(stages)
        number = await stages.open("unusual", "Candidate.")
        await stages.comment(number, "/promote production")
        await reaches(stages, 20)
        await _until_shares(stages, {(80, 20)})
        client, namespace = small.world.client, _namespace(stages)
        for kind in (DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, POD_DISRUPTION_BUDGET):
            made = {item["metadata"]["name"] for item in (await client.list(kind, namespace)).items}
            assert len(made) == 2
            assert {len(name) for name in made} == {63}
        await stages.comment(number, "/abort production")
        await stages.comment_with(number, "↩️ Rolled **production** back")
        await _until_shares(stages, {(1,)})
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await names(stages) != before:
            assert time.monotonic() < deadline, "the candidate is still there"
            await asyncio.sleep(0.2)


@embedded_only
async def test_stateful_set_behind_the_route_is_refused_with_the_reason(small: Scenario) -> None:
    async with staged(small, CANARY) as stages:
        files = small.hello()
        manifests = files["deploy/hello.yaml"].replace(b"kind: Deployment", b"kind: StatefulSet")
        manifests = manifests.replace(
            b"  selector: {matchLabels", b"  serviceName: hello\n  selector: {matchLabels"
        )
        stages.application = {**files, "deploy/hello.yaml": manifests}
        await stages.configure(CANARY)
        number = await stages.open("stateful", "Stateful.")
        await stages.comment(number, "/promote production")
        await stages.comment_with(number, "That is possible for a Deployment only", "`rollout: rolling`")


@embedded_only
@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", [0, 20, 50, 100])
async def test_abort_returns_the_traffic_in_each_step(small: Scenario, step: int) -> None:
    pipeline = BLUE_GREEN.replace("KEEP", "1h")
    if step < 100:
        pipeline = _ENDLESS.replace("[20, 50, 100]", f"[{step or 20}, 100]")
    async with staged(small, pipeline) as stages:
        await first(stages)
        number = await stages.open("aborted", "Candidate.")
        async with traffic(stages, "production") as users:
            await stages.comment(number, "/promote production")
            if step:
                await reaches(stages, step)
            else:
                await _until_candidates(stages, 1)
            await stages.comment(number, "/abort production")
            await stages.comment(number, "/abort production")
            await comes_to(stages, PromotionState.ROLLED_BACK)
        assert users.failures == []
        assert set(users.statuses) == {200}
        assert await weights(stages) == [1]
        assert (await stages.page("production")).text == "Stable."


@embedded_only
@pytest.mark.parametrize("step", [0, 20, 100])
async def test_paused_rollout_stays_in_each_step(small: Scenario, step: int) -> None:
    pipeline = CANARY if step < 100 else BLUE_GREEN.replace("KEEP", "2s")
    async with staged(small, pipeline) as stages:
        await first(stages)
        number = await stages.open("paused", "Candidate.")
        async with traffic(stages, "production"):
            await stages.comment(number, "/promote production")
            if step:
                await reaches(stages, step)
            else:
                await _until_candidates(stages, 1)
            await stages.comment(number, "/pause production")
            await stages.comment_with(number, "⏸️ Paused the promotion")
            await asyncio.sleep(5)
            [promotion, *_] = await stages.promotions("production")
            assert promotion.state in (PromotionState.DEPLOYING, PromotionState.ROLLING_OUT)
            assert (promotion.rollout.weight if promotion.rollout is not None else 0) == step
            await stages.comment(number, "/resume production")
            await comes_to(stages, PromotionState.SUCCEEDED)
        assert (await stages.page("production")).text == "Candidate."


@embedded_only
async def test_paused_candidate_that_becomes_worse_loses_its_traffic(small: Scenario) -> None:
    failing = 'status = 500 if "Bad" in sentence and self.path == "/buy" else 200'
    async with staged(small, _ENDLESS) as stages:
        stages.application = serving(small.hello(), failing)
        await stages.configure(_ENDLESS)
        await first(stages)
        number = await stages.open("later", "Bad.")
        await stages.comment(number, "/promote production")
        await reaches(stages, 20)
        await stages.comment(number, "/pause production")
        await stages.comment_with(number, "⏸️ Paused the promotion")
        async with traffic(stages, "production", "/buy"):
            await comes_to(stages, PromotionState.ROLLED_BACK)
        assert await weights(stages) == [1]


@embedded_only
async def test_second_rollback_at_once_changes_nothing(small: Scenario) -> None:
    async with staged(small, BLUE_GREEN.replace("KEEP", "1h")) as stages:
        await first(stages)
        number = await stages.open("green", "Green.")
        async with traffic(stages, "production") as users:
            await stages.comment(number, "/promote production")
            await reaches(stages, 100)
            await stages.comment(number, "/rollback production")
            await stages.comment(number, "/rollback production")
            await comes_to(stages, PromotionState.ROLLED_BACK)
            await stages.idle()
        assert users.failures == []
        assert set(users.statuses) == {200}
        assert (await stages.page("production")).text == "Stable."
        [newest, *_] = await stages.promotions("production")
        assert newest.number == number


@embedded_only
@pytest.mark.timeout(300)
async def test_deleted_candidate_is_restored_once_and_then_the_rollout_pauses(small: Scenario) -> None:
    without_checks = BLUE_GREEN.replace("KEEP", "1h").replace("checks: [{http: /}], ", "")
    async with staged(small, without_checks) as stages:
        await first(stages)
        number = await stages.open("deleted", "Candidate.")
        await stages.comment(number, "/promote production")
        await reaches(stages, 100)
        [name] = await _candidates(stages)
        client, namespace = small.world.client, _namespace(stages)
        await client.delete(DEPLOYMENT, name, namespace)
        await stages.comment_with(
            number, f"changed the candidate (Deployment/{name})", "Greenroom restored it"
        )
        await _until_candidates(stages, 1)
        await client.patch(DEPLOYMENT, name, {"spec": {"replicas": 0}}, namespace)
        await stages.comment_with(number, f"changed the candidate again (Deployment/{name})")
        await stages.comment(number, "/abort production")
        await stages.comment_with(number, "↩️ Rolled **production** back")
        assert (await stages.page("production")).text == "Stable."


async def _candidates(stages: Stages) -> list[str]:
    deployments = await stages.scenario.world.client.list(DEPLOYMENT, _namespace(stages))
    return [
        item["metadata"]["name"]
        for item in deployments.items
        if "-gr" in item["metadata"]["name"] and not item["metadata"].get("deletionTimestamp")
    ]


async def _until_candidates(stages: Stages, number: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(await _candidates(stages)) != number:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)

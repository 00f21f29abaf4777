"""The bot killed at each step, writes answered with errors, and servers that hang."""

from __future__ import annotations

import asyncio
import hmac
import http.client
import json
import time
from collections.abc import Callable, Iterator

import pytest

from bot.cluster.client.kinds import DEPLOYMENT, JOB, STATEFUL_SET
from bot.embedded.kubernetes.faults import Fault
from bot.embedded.registry.faults import Fault as RegistryFault
from tests.story.conftest import Scenario, Site, embedded_only, eventually

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300), embedded_only]

Reached = Callable[[], bool]
"""Whether the bot has reached the step at which it is killed."""

HELD_SECONDS = 2.0
"""How long a call is held, in seconds. It is executed afterwards, when its caller is dead."""


@pytest.fixture(autouse=True)
def no_fault_is_left(site: Site) -> Iterator[None]:
    yield
    assert site.world.kubernetes is not None
    site.world.github.faults.clear()
    site.world.kubernetes.faults.clear()
    site.world.registry.faults.active.clear()


def cluster(call: str, *, after: bool = False) -> Callable[[Scenario], Reached]:
    """The next matching call: held before or after it is executed."""

    def hold(scenario: Scenario) -> Reached:
        assert scenario.world.kubernetes is not None
        active = scenario.world.kubernetes.faults.active
        fault = Fault(
            call.replace("NAMESPACE", scenario.namespace(1)), hang_seconds=HELD_SECONDS, times=1, after=after
        )
        active.append(fault)
        return lambda: fault not in active

    return hold


def github(method: str, path: str) -> Callable[[Scenario], Reached]:
    def hold(scenario: Scenario) -> Reached:
        faults = scenario.github.faults
        fault = faults.add("hang", times=1, seconds=HELD_SECONDS, method=method, path=path)
        return lambda: fault not in faults.listed()

    return hold


def registry(path: str) -> Callable[[Scenario], Reached]:
    def hold(scenario: Scenario) -> Reached:
        fault = RegistryFault(path=path, delay=HELD_SECONDS)
        scenario.world.registry.faults.active.append(fault)
        return lambda: fault.times == 0

    return hold


def reported(seen: Callable[[Scenario], object]) -> Callable[[Scenario], Reached]:
    """Reached once GitHub shows it."""
    return lambda scenario: lambda: bool(seen(scenario))


BOUNDARIES = {
    "when it reads the pull request": github("GET", "/pulls/1$"),
    "when it reads the configuration": github("GET", "/contents/"),
    "when it reports the start": github("POST", "/graphql"),
    "when it has reported the start": reported(lambda scenario: scenario.runs()),
    "when it looks for the image": registry("/manifests/"),
    "when it fetches the commit": github("GET", "/tarball/"),
    "when it makes the namespace": cluster("POST /api/v1/namespaces$"),
    "when it has made the namespace": cluster("POST /api/v1/namespaces$", after=True),
    "when it makes the guard rails": cluster("PATCH .*/NAMESPACE/resourcequotas/"),
    "when it applies the configuration": cluster("PATCH .*/NAMESPACE/configmaps/"),
    "when it applies the data": cluster("PATCH .*/NAMESPACE/statefulsets/catalogue$"),
    "when it has applied the data": cluster("PATCH .*/NAMESPACE/statefulsets/catalogue$", after=True),
    "when it applies the seed": cluster("PATCH .*/NAMESPACE/jobs/"),
    "when it has applied the seed": cluster("PATCH .*/NAMESPACE/jobs/", after=True),
    "when it applies the workloads": cluster("PATCH .*/NAMESPACE/deployments/shop$"),
    "when it has applied the workloads": cluster("PATCH .*/NAMESPACE/deployments/shop$", after=True),
    "when it applies the route": cluster("PATCH .*/NAMESPACE/httproutes/"),
    "when it has applied the route": cluster("PATCH .*/NAMESPACE/httproutes/", after=True),
    "when it makes the Deployment": github("POST", "/deployments$"),
    "when it has made the Deployment": reported(lambda scenario: scenario.deployments()),
    "when it has made the comment": reported(lambda scenario: scenario.comments(1)),
}


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_killed_bot_resumes_without_duplicates(scenario: Scenario, boundary: str) -> None:
    await scenario.at_rest()
    reached = BOUNDARIES[boundary](scenario)
    number = await scenario.open("spring", scenario.files("spring"))
    await eventually(lambda: reached() or None, lambda: f"it never came to be killed {boundary}", 0.002)
    await scenario.bot.kill()
    await scenario.bot.start()
    await scenario.comment_with(number, "is ready", "✅ `http-healthz`", "✅ `smoke`")
    assert "Basil" in (await scenario.page(number)).text
    await assert_reported_once(scenario, number)


async def assert_reported_once(scenario: Scenario, number: int) -> None:
    await scenario.at_rest()
    scenario.assert_reported_once(number)
    assert scenario.runs() == ["success"]
    assert [deployment.state for deployment in scenario.deployments()] == ["success"]
    name = scenario.namespace(number)
    assert await scenario.namespaces() == [name]
    for resource, names in ((DEPLOYMENT, ["shop"]), (STATEFUL_SET, ["catalogue"])):
        listed = await scenario.world.client.list(resource, name)
        assert [item["metadata"]["name"] for item in listed.items] == names
    jobs = await scenario.world.client.list(JOB, name)
    assert len(jobs.items) == 2, "the seed and the check"


async def test_killed_bot_resumes_a_deletion(small: Scenario) -> None:
    number = await small.open("spring", small.hello("Spring."))
    await small.wait_until_ready(number)
    await small.at_rest()
    reached = cluster("DELETE /api/v1/namespaces/NAMESPACE$")(small)
    await small.close(number)
    await eventually(lambda: reached() or None, lambda: "it was never asked", 0.002)
    await small.bot.kill()
    await small.bot.start()
    await small.comment_with(number, "The preview was deleted")
    await small.no_namespace()
    small.assert_reported_once(number)


@pytest.mark.parametrize("status", [500, 502])
async def test_write_that_github_applied_with_an_error_is_not_repeated(
    scenario: Scenario, status: int
) -> None:
    """The first POST of each path is executed and answered with an error."""
    await scenario.at_rest()
    faults = scenario.github.faults
    for path in ("/deployments$", "/graphql", "/access_tokens$"):
        faults.add("error_after", times=1, status=status, method="POST", path=path)
    number = await scenario.open("spring", scenario.files("spring"))
    await scenario.comment_with(number, "is ready", "✅ `http-healthz`", "✅ `smoke`")
    assert not [fault for fault in faults.listed() if fault.path != "/access_tokens$"], "it was never asked"
    await assert_reported_once(scenario, number)


HANGING_SECONDS = 20.0
"""Longer than the timeout of any call, in seconds."""


@pytest.mark.parametrize("peer", ["GitHub", "the API server"])
async def test_hanging_server_delays_no_acknowledgement(small: Scenario, peer: str) -> None:
    """99 of 100 acknowledgements take less than half a second, as the documentation promises."""
    numbers = [await small.open(f"branch-{count}", small.hello(f"{count}.")) for count in range(6)]
    await small.delivered()
    hang(small, peer)
    calls = await asyncio.to_thread(deliveries, small, numbers, time.monotonic() + HANGING_SECONDS)
    assert len(calls) >= 200
    assert sorted(calls)[len(calls) * 99 // 100] < 0.5
    small.github.faults.clear()
    assert small.world.kubernetes is not None
    small.world.kubernetes.faults.clear()
    for number in numbers:
        await small.wait_until_ready(number)
        assert len(small.comments(number)) == 1


def hang(small: Scenario, peer: str) -> None:
    assert small.world.kubernetes is not None
    if peer == "GitHub":
        small.github.faults.add("hang", seconds=60.0)
    else:
        small.world.kubernetes.faults.active.append(Fault(hang_seconds=60.0))


def deliveries(small: Scenario, numbers: list[int], until: float) -> list[float]:
    """Sends webhooks in sequence; returns the duration of each acknowledgement, in seconds."""
    repository = small.github.world.repository(small.repository)
    [installation] = [
        installation.id
        for installation in small.github.world.state.installations.values()
        if installation.account == small.organization
    ]
    secret = small.github.credentials.webhook_secret.encode()
    connection = http.client.HTTPConnection("127.0.0.1", small.bot.port)
    seconds: list[float] = []
    while time.monotonic() < until:
        number = numbers[len(seconds) % len(numbers)]
        payload = {
            "action": "labeled",
            "number": number,
            "pull_request": {"number": number, "state": "open"},
            "repository": {"id": repository.id, "name": "shop", "owner": {"login": small.organization}},
            "installation": {"id": installation},
        }
        body = json.dumps(payload).encode()
        headers = {
            "X-GitHub-Event": "pull_request",
            "X-GitHub-Delivery": f"hang-{small.organization}-{len(seconds)}",
            "X-Hub-Signature-256": f"sha256={hmac.digest(secret, body, 'sha256').hex()}",
        }
        started = time.monotonic()
        connection.request("POST", "/webhooks", body, headers)
        answer = connection.getresponse()
        answer.read()
        seconds.append(time.monotonic() - started)
        assert answer.status == 202
        time.sleep(0.03)
    connection.close()
    return seconds

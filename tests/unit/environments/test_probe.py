"""The probe passes over requests that hang, but never over a bad response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from bot.environments.phases import probe
from bot.environments.side_by_side import first_answer
from bot.model.environment import EnvironmentState
from bot.model.manifest import Answer
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.fakes import CONFIGURATION, Harness

GOOD, BAD, ERROR = Answer(200, "new"), Answer(503), Answer(None, error="refused")
LATE = Answer(None, error="no answer", timed_out=True)
STAGGER = 0.02
NEVER = 60.0


class Gateway:
    """Answers the requests one after another, each after its own time."""

    def __init__(self, *answers: tuple[float, Answer]) -> None:
        self.answers = list(answers)
        self.open = self.most = self.started = 0

    async def __call__(self) -> Answer:
        seconds, answer = self.answers[self.started]
        self.started += 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.open -= 1
        return answer


@pytest.mark.parametrize(
    ("answers", "expected", "started"),
    [
        ([(0, GOOD)], GOOD, 1),
        ([(0, BAD)], BAD, 1),
        ([(NEVER, GOOD), (0, GOOD)], GOOD, 2),
        ([(NEVER, GOOD), (NEVER, GOOD), (0, GOOD)], GOOD, 3),
        ([(NEVER, GOOD), (0, BAD), (0, GOOD)], BAD, 2),
        ([(STAGGER * 1.5, BAD), (NEVER, GOOD), (0, GOOD)], BAD, 2),
        ([(STAGGER * 4, LATE), (STAGGER * 4, LATE), (STAGGER * 4, LATE)], LATE, 3),
        ([(STAGGER * 1.5, LATE), (STAGGER * 3, GOOD), (NEVER, GOOD)], GOOD, 3),
        ([(0, ERROR)], ERROR, 1),
    ],
)
async def test_first_response_decides(
    answers: list[tuple[float, Answer]], expected: Answer, started: int
) -> None:
    gateway = Gateway(*answers)
    answer = await first_answer(gateway, lambda answer: answer == GOOD, 3, STAGGER)
    assert (answer, gateway.started, gateway.open) == (expected, started, 0)
    assert gateway.most <= 3


async def test_bad_response_counts_among_several_at_once() -> None:
    together = asyncio.Event()
    answers = iter((GOOD, BAD))

    async def request() -> Answer:
        answer = next(answers)
        if answer is BAD:
            together.set()
        await together.wait()
        return answer

    assert await first_answer(request, lambda answer: answer == GOOD, 2, STAGGER) == BAD


async def test_cancellation_cancels_the_requests() -> None:
    gateway = Gateway((NEVER, GOOD), (NEVER, GOOD), (NEVER, GOOD))
    running = asyncio.create_task(first_answer(gateway, lambda _: True, 3, STAGGER))
    await asyncio.sleep(STAGGER * 1.5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert gateway.open == 0


class SlowGateway:
    """An application that answers one request after another, so late that short limits never see it."""

    def __init__(self, needs: timedelta) -> None:
        self.needs, self.release = needs, ""
        self.limits: list[timedelta] = []

    def host(self, label: str) -> str:
        return f"{label}.preview.example"

    def url(self, host: str) -> str:
        return f"https://{host}"

    async def get(
        self,
        host: str,
        path: str,
        *,
        limit: timedelta = timedelta(seconds=5),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        self.limits.append(limit)
        return Answer(200, self.release) if self.needs <= limit else LATE


@pytest.fixture
async def harness(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Harness]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    yield Harness(store, clock)
    await store.close()


async def test_slow_application_gets_one_patient_request_at_a_time(harness: Harness) -> None:
    harness.github.configuration = CONFIGURATION + "route: {service: shop, port: 80}\n"
    slow = SlowGateway(timedelta(seconds=4))
    harness.gateway.get = slow.get  # type: ignore[method-assign]
    await harness.run()
    environment = await harness.store.environments.get(harness.key)
    assert environment is not None
    assert environment.attempt.release is not None
    slow.release = environment.attempt.release.id
    await harness.again()
    assert (await harness.status()).url is None
    slow.limits.clear()
    await harness.again()
    assert slow.limits == [timedelta(seconds=5)] * 2, "two successes, one after another"
    assert (await harness.status()).state is EnvironmentState.READY


async def test_grpc_replies_need_not_name_the_release(harness: Harness) -> None:
    harness.github.configuration = CONFIGURATION + (
        "routes: [{name: rpc, service: shop, port: 80, protocol: grpc}]\n"
    )
    await harness.run()
    assert (await harness.status()).state is EnvironmentState.READY


@pytest.mark.parametrize("answer", [Answer(503), Answer(200, "another")])
async def test_grpc_replies_that_fail_or_name_another_release_do_not_count(
    harness: Harness, answer: Answer
) -> None:
    harness.github.configuration = CONFIGURATION + (
        "routes: [{name: rpc, service: shop, port: 80, protocol: grpc}]\n"
    )
    harness.gateway.answer = answer
    await harness.run()
    assert (await harness.status()).url is None


async def test_probe_waits_until_the_gateway_knows_route_and_pod(harness: Harness) -> None:
    harness.github.configuration = CONFIGURATION + "route: {service: shop, port: 80}\n"
    own_responses = [Answer(404), Answer(503)]

    async def get(host: str, path: str, **_: object) -> Answer:
        environment = await harness.store.environments.get(harness.key)
        release = environment and environment.attempt.release
        return own_responses.pop(0) if own_responses else Answer(200, release.id if release else None)

    harness.gateway.get = get  # type: ignore[method-assign]
    await harness.run()
    await harness.again()
    assert own_responses == []
    assert (await harness.status()).state is EnvironmentState.READY


class Updated:
    """Answers from the new release while pods of the old one terminate."""

    def __init__(self, harness: Harness, old_answer: int = -1) -> None:
        self.harness, self.old_answer = harness, old_answer
        self.requests = 0
        harness.github.configuration = CONFIGURATION + "route: {service: shop, port: 80}\n"
        harness.gateway.get = self.get  # type: ignore[method-assign]
        harness.cluster.old_pods = self.old_pods  # type: ignore[method-assign]

    async def old_pods(self, namespace: str, release_id: str) -> bool:
        return True

    async def get(self, host: str, path: str, **_: object) -> Answer:
        environment = await self.harness.store.environments.get(self.harness.key)
        release = environment and environment.attempt.release
        self.requests += 1
        current = release is not None and self.requests - 1 != self.old_answer
        return Answer(200, release.id if current and release else "old")

    async def runs_until_ready(self) -> int:
        """Runs that send requests."""
        runs = 0
        while (await self.harness.status()).state is not EnvironmentState.READY:
            before = self.requests
            await self.harness.again()
            runs += self.requests > before
        return runs


@pytest.fixture
def long_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is late, however busy the machine is."""
    monkeypatch.setattr(probe, "_RUN_LIMIT", timedelta(minutes=1))


@pytest.mark.usefixtures("long_runs")
async def test_fast_application_needs_two_runs_beside_old_pods(harness: Harness) -> None:
    updated = Updated(harness)
    await harness.run()
    assert await updated.runs_until_ready() <= 2
    assert updated.requests == 12


async def test_slow_application_needs_one_request_in_each_of_four_runs(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "_RUN_LIMIT", timedelta())
    updated = Updated(harness)
    await harness.run()
    await updated.runs_until_ready()
    assert updated.requests == 4


@pytest.mark.usefixtures("long_runs")
async def test_answer_from_an_old_pod_starts_the_count_again(harness: Harness) -> None:
    updated = Updated(harness, old_answer=10)
    await harness.run()
    await updated.runs_until_ready()
    assert updated.requests == 11 + 12

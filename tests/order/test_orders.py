"""Lost, repeated and reordered deliveries lead to the same state, whatever runs meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.store import Store
from tests.order.simulation import IDLE, Event, Simulation, Step
from tests.stores import ManualClock


def histories(longest: int) -> Iterator[tuple[str, ...]]:
    """The possible events of a pull request, up to `longest` of them."""
    pending: list[tuple[str, ...]] = [("open",)]
    while pending:
        history = pending.pop()
        yield history
        if len(history) < longest:
            following = ("reopen",) if history[-1] == "close" else ("push", "close")
            pending += [(*history, event) for event in following]


HISTORIES = sorted(histories(6), key=len)


def test_number_of_histories() -> None:
    assert len(HISTORIES) == 1 + 2 + 3 + 5 + 8 + 13


@pytest.mark.parametrize(
    "history",
    [
        pytest.param(history, marks=pytest.mark.long if len(history) == 3 else ())
        for history in HISTORIES
        if len(history) <= 3
    ],
    ids="-".join,
)
async def test_every_order_loss_and_repetition_of_up_to_three_deliveries(
    store: Store, clock: ManualClock, history: tuple[str, ...]
) -> None:
    await _every_arrival(store, clock, history, repeated=1)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("history", [history for history in HISTORIES if 3 < len(history) < 6], ids="-".join)
async def test_every_order_and_loss_of_up_to_five_deliveries(
    store: Store, clock: ManualClock, history: tuple[str, ...]
) -> None:
    await _every_arrival(store, clock, history, repeated=0)


async def _every_arrival(store: Store, clock: ManualClock, history: tuple[str, ...], repeated: int) -> None:
    """Delivers after all events happened, so that every delivery but one is outdated."""
    for copies in product((0, 1, 2), repeat=len(history)):
        if copies.count(2) > repeated:
            continue
        sent = [index for index, times in enumerate(copies) for _ in range(times)]
        for order in sorted(set(permutations(sent))):
            simulation = Simulation(store, clock)
            events = [getattr(simulation, event)() for event in history]
            for index in order:
                await simulation.deliver(events[index])
            await simulation.settle()
            if 0 in copies:
                await simulation.sweep()
                await simulation.settle()
            await simulation.assert_converged()


@st.composite
def timelines(draw: st.DrawFn) -> tuple[tuple[str, ...], list[tuple[int, str, int]]]:
    """A history, and when each event happens and is delivered, with up to two kills or stalls.

    Each entry is a gap (in moments at which GitHub may change), an action, and the index of an event.
    """
    history = draw(st.sampled_from(HISTORIES))
    entries = [("happens", index) for index in range(len(history))]
    for index in range(len(history)):
        for _ in range(draw(st.sampled_from((1, 1, 1, 0, 2)))):
            after = entries.index(("happens", index)) + 1
            entries.insert(draw(st.integers(after, len(entries))), ("arrives", index))
    for fault in draw(st.lists(st.sampled_from(("kill", "stall")), max_size=2)):
        entries.insert(draw(st.integers(1, len(entries))), (fault, 0))
    gaps = st.one_of(st.integers(0, 60), st.sampled_from((0, 0, 1, 2, IDLE)))
    return history, [(draw(gaps), action, index) for action, index in entries]


QUIET = settings(
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""The examples share the store; each has its own repository."""


@given(timelines())
@QUIET
async def test_events_during_the_work(
    store: Store, clock: ManualClock, drawn: tuple[tuple[str, ...], list[tuple[int, str, int]]]
) -> None:
    await _play(Simulation(store, clock), *drawn)


@pytest.mark.soak
@pytest.mark.timeout(900)
@given(timelines())
@settings(QUIET, max_examples=1000)
async def test_many_events_during_the_work(
    store: Store, clock: ManualClock, drawn: tuple[tuple[str, ...], list[tuple[int, str, int]]]
) -> None:
    await _play(Simulation(store, clock), *drawn)


async def _play(
    simulation: Simulation, history: tuple[str, ...], timeline: list[tuple[int, str, int]]
) -> None:
    events: dict[int, Event] = {}

    def step(gap: int, action: str, index: int) -> Step:
        async def run() -> None:
            if action == "happens":
                events[index] = getattr(simulation, history[index])()
            elif action == "arrives":
                await simulation.deliver(events[index])
            else:
                await getattr(simulation, action)()

        return Step(gap, run)

    await simulation.play([step(*entry) for entry in timeline])
    if {index for _, action, index in timeline if action == "arrives"} != set(range(len(history))):
        await simulation.sweep()
        await simulation.settle()
    await simulation.assert_converged()

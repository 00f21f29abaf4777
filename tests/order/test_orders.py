"""Losing, doubling and reordering deliveries ends in the same place, whatever runs meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.store import Store
from tests.order.simulation import IDLE, Event, Simulation, Step
from tests.stores import ManualClock


def stories(most: int) -> Iterator[tuple[str, ...]]:
    """What can happen to a pull request, up to so many events."""
    told: list[tuple[str, ...]] = [("open",)]
    while told:
        story = told.pop()
        yield story
        if len(story) < most:
            following = ("reopen",) if story[-1] == "close" else ("push", "close")
            told += [(*story, event) for event in following]


STORIES = sorted(stories(6), key=len)


def test_these_are_all_the_stories() -> None:
    assert len(STORIES) == 1 + 2 + 3 + 5 + 8 + 13


@pytest.mark.parametrize("story", [story for story in STORIES if len(story) <= 3], ids="-".join)
async def test_every_order_loss_and_doubling_of_up_to_three_deliveries(
    store: Store, clock: ManualClock, story: tuple[str, ...]
) -> None:
    await _every_arrival(store, clock, story, doubled=1)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("story", [story for story in STORIES if 3 < len(story) < 6], ids="-".join)
async def test_every_order_and_loss_of_up_to_five_deliveries(
    store: Store, clock: ManualClock, story: tuple[str, ...]
) -> None:
    await _every_arrival(store, clock, story, doubled=0)


async def _every_arrival(store: Store, clock: ManualClock, story: tuple[str, ...], doubled: int) -> None:
    """All happens before anything arrives, so that every delivery but one tells of the past."""
    for copies in product((0, 1, 2), repeat=len(story)):
        if copies.count(2) > doubled:
            continue
        sent = [index for index, times in enumerate(copies) for _ in range(times)]
        for order in sorted(set(permutations(sent))):
            simulation = Simulation(store, clock)
            events = [getattr(simulation, happening)() for happening in story]
            for index in order:
                await simulation.deliver(events[index])
            await simulation.settle()
            if 0 in copies:
                await simulation.sweep()
                await simulation.settle()
            await simulation.is_exactly_right()


@st.composite
def timelines(draw: st.DrawFn) -> tuple[tuple[str, ...], list[tuple[int, str, int]]]:
    """A story, and when each event happens and arrives, with a kill or a standstill here and there.

    Each entry is a gap (in moments at which the world may change), what happens, and to which event.
    """
    story = draw(st.sampled_from(STORIES))
    entries = [("happens", index) for index in range(len(story))]
    for index in range(len(story)):
        for _ in range(draw(st.sampled_from((1, 1, 1, 0, 2)))):
            after = entries.index(("happens", index)) + 1
            entries.insert(draw(st.integers(after, len(entries))), ("arrives", index))
    for mishap in draw(st.lists(st.sampled_from(("kill", "stall")), max_size=2)):
        entries.insert(draw(st.integers(1, len(entries))), (mishap, 0))
    gaps = st.one_of(st.integers(0, 60), st.sampled_from((0, 0, 1, 2, IDLE)))
    return story, [(draw(gaps), what, index) for what, index in entries]


QUIET = settings(
    max_examples=100,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""The store is shared by the examples: each has a repository of its own."""


@given(timelines())
@QUIET
async def test_whatever_happens_while_it_works(
    store: Store, clock: ManualClock, told: tuple[tuple[str, ...], list[tuple[int, str, int]]]
) -> None:
    await _play(Simulation(store, clock), *told)


@pytest.mark.soak
@pytest.mark.timeout(900)
@given(timelines())
@settings(QUIET, max_examples=1000)
async def test_whatever_else_happens_while_it_works(
    store: Store, clock: ManualClock, told: tuple[tuple[str, ...], list[tuple[int, str, int]]]
) -> None:
    await _play(Simulation(store, clock), *told)


async def _play(simulation: Simulation, story: tuple[str, ...], timeline: list[tuple[int, str, int]]) -> None:
    events: dict[int, Event] = {}

    def step(gap: int, what: str, index: int) -> Step:
        async def happens() -> None:
            if what == "happens":
                events[index] = getattr(simulation, story[index])()
            elif what == "arrives":
                await simulation.deliver(events[index])
            else:
                await getattr(simulation, what)()

        return Step(gap, happens)

    await simulation.play([step(*entry) for entry in timeline])
    if {index for _, what, index in timeline if what == "arrives"} != set(range(len(story))):
        await simulation.sweep()
        await simulation.settle()
    await simulation.is_exactly_right()

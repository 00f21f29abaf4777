"""The queue is first come, first served under every cap."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.model.quota import (
    SHOWN_POSITIONS,
    Admission,
    Candidate,
    Caps,
    QueuePosition,
    Scope,
    affected_by,
    queue_position,
    queue_positions,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ADMITTED, QUEUED = Admission.ADMITTED, Admission.QUEUED


def preview(
    name: str, admission: Admission, minute: int = 0, author: str = "ada", repository: int = 7
) -> Candidate:
    return Candidate(name, repository, author, NOON + timedelta(minutes=minute), admission)


def test_no_caps_means_no_queue() -> None:
    queue = [preview(str(number), QUEUED, number) for number in range(50)]
    assert all(queue_position(candidate.key, queue, Caps()) is None for candidate in queue)


def test_first_in_the_queue_starts_first() -> None:
    queue = [preview("a", ADMITTED), preview("c", QUEUED, 3), preview("b", QUEUED, 2)]
    assert queue_position("b", queue, Caps(installation=2)) is None
    assert queue_position("c", queue, Caps(installation=2)) == QueuePosition(1, Scope.INSTALLATION, 2, 2)
    assert queue_position("c", queue, Caps(installation=1)) == QueuePosition(2, Scope.INSTALLATION, 1, 1)


def test_author_cap_does_not_block_other_authors() -> None:
    queue = [
        preview("running", ADMITTED, author="ada"),
        preview("hers", QUEUED, 1, author="Ada"),
        preview("his", QUEUED, 2, author="bob"),
    ]
    caps = Caps(author=1, installation=2)
    assert queue_position("hers", queue, caps) == QueuePosition(1, Scope.AUTHOR, 1, 1)
    assert queue_position("his", queue, caps) is None


def test_repository_has_its_own_cap() -> None:
    queue = [
        preview("a", ADMITTED, repository=1),
        preview("b", QUEUED, 1, repository=1),
        preview("c", QUEUED, 2, repository=2),
    ]
    assert queue_position("b", queue, Caps(repository=1)) == QueuePosition(1, Scope.REPOSITORY, 1, 1)
    assert queue_position("c", queue, Caps(repository=1)) is None


def test_narrowest_full_cap_is_reported() -> None:
    queue = [preview("a", ADMITTED), preview("b", QUEUED, 1)]
    position = queue_position("b", queue, Caps(1, 1, 1))
    assert position is not None
    assert position.scope is Scope.AUTHOR


def test_lowered_cap_revokes_no_slot() -> None:
    queue = [preview("a", ADMITTED), preview("b", ADMITTED), preview("c", QUEUED, 1)]
    assert queue_position("a", queue, Caps(installation=1)) is None
    assert queue_position("c", queue, Caps(installation=1)) == QueuePosition(1, Scope.INSTALLATION, 2, 1)


def test_departure_affects_the_shown_positions_of_its_scopes() -> None:
    leaver = preview("leaver", ADMITTED)
    running = preview("running", ADMITTED, author="bob", repository=8)
    hers = [preview(f"hers-{number:02}", QUEUED, number) for number in range(1, 30)]
    his = [preview(f"his-{number:02}", QUEUED, number, author="bob", repository=8) for number in range(1, 30)]
    assert affected_by(leaver, [running, *hers, *his], Caps(author=1)) == [
        preview.key for preview in hers[: SHOWN_POSITIONS + 1]
    ]


caps = st.builds(Caps, *[st.none() | st.integers(1, 4)] * 3)
previews = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 2), st.sampled_from([ADMITTED, QUEUED])), max_size=12
)


@given(caps, previews)
def test_admission_fills_every_slot_within_the_caps(
    caps: Caps, drawn: list[tuple[str, int, Admission]]
) -> None:
    candidates = {
        str(index): preview(str(index), QUEUED, index, author, repository)
        for index, (author, repository, _) in enumerate(drawn)
    }
    for key in reversed(candidates):  # workers come in any order
        if queue_position(key, candidates.values(), caps) is None:
            candidates[key] = replace(candidates[key], admission=ADMITTED)
    admitted = [candidate for candidate in candidates.values() if candidate.admission is ADMITTED]
    for candidate in candidates.values():
        for scope in candidate.scopes:
            cap = caps.of(scope[0])
            assert cap is None or sum(scope in other.scopes for other in admitted) <= cap
        position = queue_position(candidate.key, candidates.values(), caps)
        assert candidate in admitted or position is not None


queues = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 2), st.sampled_from([ADMITTED, QUEUED])),
    min_size=1,
    max_size=30,
)


@given(caps, queues, st.data())
def test_departure_fills_the_slot_and_updates_positions(
    caps: Caps, drawn: list[tuple[str, int, Admission]], data: st.DataObject
) -> None:
    candidates = {
        str(index): preview(str(index), QUEUED, index, author, repository)
        for index, (author, repository, _) in enumerate(drawn)
    }
    shown: dict[str, QueuePosition | None] = {}

    def reconcile(keys: list[str]) -> None:
        """Workers in any order, as the store wakes them."""
        waiting = list(keys)
        while waiting:
            key = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
            own = candidates[key]
            if own.admission is ADMITTED:
                continue
            shown[key] = queue_position(key, candidates.values(), caps)
            if shown[key] is None:
                candidates[key] = replace(own, admission=ADMITTED)
                waiting += affected_by(own, list(candidates.values()), caps)

    reconcile(list(candidates))
    leaver = candidates.pop(data.draw(st.sampled_from(sorted(candidates))))
    reconcile(affected_by(leaver, list(candidates.values()), caps))
    for key, position in queue_positions(candidates.values(), caps).items():
        assert position is not None
        assert shown[key] == position or position.position > SHOWN_POSITIONS

"""Environments are deleted on sufficient evidence only, whatever GitHub answers."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.environments.policy import Policy
from bot.model.delivery import Delivery, PullRequestHint, RepositoryRemoved, ResyncRequested
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.errors import GreenroomError, Rejected, Unavailable
from bot.model.naming import namespace_name
from bot.model.size import Size
from tests.stores import ManualClock, new_store
from tests.unit.environments.simulation import SHOP, Simulation
from tests.unit.environments.test_desired_state import PULL

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OUTAGE = Unavailable("GitHub answered 502 to GET /repos/acme/shop/pulls/1.")
UNSEEN = Rejected("The App cannot see acme/shop: it was deleted, or removed from the App's installation.")
SUSPENDED = Rejected("The App's installation is suspended. An owner of the account must unsuspend it.")
UNAUTHORIZED = Rejected("GitHub does not accept the credentials for GET /repos/acme/shop.")


@pytest.fixture
async def simulation(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Simulation]:
    store = await new_store(tmp_path / "greenroom.db", clock)
    yield Simulation(store, clock, Policy(default_ttl=7 * DAY))
    await store.close()


async def deliver(
    simulation: Simulation, effect: RepositoryRemoved | ResyncRequested, guid: str = "1"
) -> None:
    """Records a signed delivery."""
    await simulation.store.deliveries.record(
        Delivery(guid, "repository", "", simulation.clock(), SHOP), [effect]
    )


def fails_with(error: GreenroomError) -> Callable[[Simulation], None]:
    def apply(simulation: Simulation) -> None:
        simulation.github.error = error

    return apply


def lists_nothing(simulation: Simulation) -> None:
    simulation.github.open_pull_requests = lambda _: _nothing()  # type: ignore[method-assign, assignment, return-value]


def shows_nothing(simulation: Simulation) -> None:
    """Lists are empty and single reads return nothing."""
    lists_nothing(simulation)
    simulation.github.pulls.clear()


async def _nothing() -> list[object]:
    return []


@pytest.mark.long
@pytest.mark.parametrize(
    "break_github",
    [
        fails_with(OUTAGE),
        fails_with(UNSEEN),
        fails_with(SUSPENDED),
        fails_with(UNAUTHORIZED),
        lists_nothing,
        shows_nothing,
    ],
    ids=["outage", "404", "suspended", "401", "empty lists", "shows nothing"],
)
async def test_sweeps_without_github_delete_nothing(
    simulation: Simulation, break_github: Callable[[Simulation], None]
) -> None:
    await simulation.open(*range(1, 6))
    break_github(simulation)
    for _ in range(24 * 6):
        await simulation.pass_time(timedelta(minutes=10))
    assert len(simulation.cluster.namespaces) == 5
    for number in range(1, 6):
        assert "deleting" not in await simulation.journal(number)


async def test_missed_closing_is_noticed_after_an_outage(simulation: Simulation) -> None:
    await simulation.open(1, 2)
    simulation.github.error = OUTAGE
    simulation.github.pulls[1] = replace(simulation.github.pulls[1], open=False)  # and its delivery is lost
    await simulation.pass_time(DAY)
    assert len(simulation.cluster.namespaces) == 2
    simulation.github.error = None
    await simulation.pass_time(HOUR)
    assert [key.name for key, _ in simulation.cluster.namespaces.values()] == ["2"]
    assert simulation.reported(1) == "gone: The pull request was closed."


@pytest.mark.parametrize("error", [OUTAGE, UNSEEN], ids=["outage", "404"])
async def test_expiry_needs_no_github(simulation: Simulation, error: GreenroomError) -> None:
    await simulation.open(1)
    simulation.github.error = error
    await simulation.pass_time(8 * DAY)
    assert simulation.cluster.namespaces == {}
    simulation.github.error = None
    await simulation.pass_time(HOUR)
    assert simulation.reported(1) == "gone: The preview expired. A push or `/preview` creates it again."


@pytest.mark.parametrize(
    "effect",
    [
        RepositoryRemoved(SHOP.installation_id, SHOP.id, "The repository was deleted."),
        RepositoryRemoved(SHOP.installation_id, None, "The App was uninstalled."),
    ],
    ids=["repository", "installation"],
)
async def test_confirmed_removal_deletes_previews(simulation: Simulation, effect: RepositoryRemoved) -> None:
    await simulation.open(1, 2)
    simulation.github.error = UNSEEN
    await deliver(simulation, effect)
    await simulation.pass_time(timedelta(minutes=30))
    simulation.github.removed = True
    await simulation.wake(1, 2)
    assert len(simulation.cluster.namespaces) == 2  # access may be restored at once
    await simulation.pass_time(HOUR)
    assert simulation.cluster.namespaces == {}
    assert (await simulation.journal(1))[-3:] == ["deleting", "gone", "reclaimed"]
    assert [cause for cause, _ in simulation.telemetry.leaks] == ["removed", "removed"]
    record = await simulation.record(1)
    assert record.status.cause is not None
    assert record.status.cause.summary == effect.reason
    assert await simulation.store.queue.next_due() is None  # no endless polling


async def test_unconfirmed_removal_deletes_nothing(simulation: Simulation) -> None:
    await simulation.open(1)
    simulation.github.error = UNSEEN
    await deliver(simulation, RepositoryRemoved(SHOP.installation_id, SHOP.id, "The repository was deleted."))
    for _ in range(48):
        await simulation.pass_time(HOUR / 2)
    assert len(simulation.cluster.namespaces) == 1


async def test_confirmation_without_delivery_deletes_nothing(simulation: Simulation) -> None:
    await simulation.open(1)
    simulation.github.error, simulation.github.removed = UNSEEN, True
    await simulation.pass_time(DAY)
    assert len(simulation.cluster.namespaces) == 1


async def test_restored_access_keeps_previews(simulation: Simulation) -> None:
    await simulation.open(1)
    await deliver(simulation, RepositoryRemoved(SHOP.installation_id, SHOP.id, "The App lost access."))
    await simulation.pass_time(HOUR / 2)
    await deliver(simulation, ResyncRequested(SHOP), guid="2")
    for claim in await simulation.store.queue.claim("test", 9, 60):
        await simulation.store.queue.finish(claim)
    simulation.github.error, simulation.github.removed = UNSEEN, True
    await simulation.pass_time(DAY)
    assert len(simulation.cluster.namespaces) == 1


async def test_removal_from_another_installation_is_ignored(simulation: Simulation) -> None:
    """After a transfer, the former account lost access and the new one has it."""
    await simulation.open(1)
    await deliver(simulation, RepositoryRemoved(SHOP.installation_id + 1, SHOP.id, "The App lost access."))
    simulation.github.error, simulation.github.removed = UNSEEN, True
    await simulation.pass_time(DAY)
    assert len(simulation.cluster.namespaces) == 1


async def test_breaker_stops_many_removals(simulation: Simulation) -> None:
    await simulation.open(*range(1, 12))
    simulation.github.error, simulation.github.removed = UNSEEN, True
    await deliver(simulation, RepositoryRemoved(SHOP.installation_id, None, "The App was uninstalled."))
    for _ in range(12):
        await simulation.pass_time(HOUR)
    assert len(simulation.cluster.namespaces) == 11


async def test_archived_repository_has_no_previews_until_unarchived(simulation: Simulation) -> None:
    await simulation.open(1)
    simulation.github.pulls[1] = replace(simulation.github.pulls[1], archived=True)
    await simulation.pass_time(HOUR)
    assert simulation.reported(1) == "gone: The repository is archived."
    assert simulation.cluster.namespaces == {}
    simulation.github.pulls[1] = replace(simulation.github.pulls[1], archived=False)
    await simulation.pass_time(HOUR)
    assert simulation.reported(1) == "ready"


async def test_changed_base_branch_keeps_the_preview(
    simulation: Simulation,
) -> None:
    await simulation.open(1)
    before = (await simulation.record(1)).status.expires_at
    simulation.github.pulls[1] = replace(simulation.github.pulls[1], base_ref="next")
    await simulation.pass_time(HOUR)
    record = await simulation.record(1)
    assert record.status.state is EnvironmentState.READY
    assert record.attempt.pull_request is not None
    assert record.attempt.pull_request.base_ref == "next"
    assert record.status.expires_at == before
    assert "changed" in await simulation.journal(1)


async def test_orphaned_namespace_is_looked_up_before_deletion(
    simulation: Simulation,
) -> None:
    key = EnvironmentKey.preview(SHOP.id, 9)
    simulation.cluster.namespaces[namespace_name(key, SHOP)] = (key, Size())
    simulation.github.error = UNSEEN
    await simulation.pass_time(HOUR)
    assert len(simulation.cluster.namespaces) == 1
    assert await simulation.journal(9) == ["unseen"]
    simulation.github.error = None
    simulation.github.pulls[9] = replace(PULL, number=9, open=False)
    await simulation.pass_time(HOUR)
    assert simulation.cluster.namespaces == {}
    assert simulation.reported(9) == "gone: The pull request was closed."


async def test_namespace_of_a_former_name_is_deleted_without_github(
    simulation: Simulation,
) -> None:
    """The store was lost and the repository renamed, so the record has another namespace."""
    await simulation.open(1)
    key = EnvironmentKey.preview(SHOP.id, 1)
    simulation.cluster.namespaces["gr-older-a-pr-1"] = (key, Size())
    simulation.github.error = OUTAGE
    await simulation.pass_time(HOUR)
    assert list(simulation.cluster.namespaces) == [namespace_name(key, SHOP)]
    assert (await simulation.journal(1))[-1] == "reclaimed"
    [(cause, minutes)] = simulation.telemetry.leaks
    assert cause == "renamed"
    assert 60 <= minutes <= 63
    await simulation.pass_time(HOUR)
    assert (await simulation.journal(1)).count("reclaimed") == 1


async def test_orphan_that_github_never_shows_is_deleted_after_two_weeks(simulation: Simulation) -> None:
    key = EnvironmentKey.preview(SHOP.id, 9)
    simulation.cluster.namespaces[namespace_name(key, SHOP)] = (key, Size())
    simulation.github.error = UNSEEN
    await simulation.pass_time(HOUR)
    await simulation.pass_time(13 * DAY)
    assert len(simulation.cluster.namespaces) == 1
    await simulation.pass_time(2 * DAY)
    assert simulation.cluster.namespaces == {}


async def test_deleted_namespace_is_created_again(simulation: Simulation) -> None:
    await simulation.open(1)
    simulation.cluster.namespaces.clear()
    await simulation.pass_time(HOUR)
    assert len(simulation.cluster.namespaces) == 1
    assert simulation.reported(1) == "ready"
    assert "reclaimed" in await simulation.journal(1)
    assert simulation.telemetry.leaks == [("namespace", 0)]


async def test_late_deletion_is_counted_with_cause_and_minutes(simulation: Simulation) -> None:
    await simulation.open(1, 2)
    simulation.github.pulls[1] = replace(
        simulation.github.pulls[1], open=False, closed_at=simulation.clock()
    )  # no delivery
    simulation.clock.advance(2)
    await simulation.change(2, open=False, closed_at=simulation.clock())  # with its delivery
    await simulation.settle()
    await simulation.pass_time(HOUR)
    assert simulation.cluster.namespaces == {}
    [(cause, minutes)] = simulation.telemetry.leaks
    assert cause == "closed"
    assert 60 <= minutes <= 63
    assert (await simulation.journal(1))[-1] == "reclaimed"
    assert (await simulation.journal(2))[-1] == "gone"


async def test_active_deployment_of_a_closed_pull_request_is_retired(simulation: Simulation) -> None:
    await simulation.open(1, 2)
    simulation.github.active = {1, 2}
    await simulation.change(1, open=False, closed_at=simulation.clock())
    await simulation.settle()
    await simulation.pass_time(HOUR)
    assert simulation.github.active == {2}
    assert (await simulation.journal(1))[-1] == "reclaimed"
    assert [cause for cause, _ in simulation.telemetry.leaks] == ["deployment"]


async def test_deletion_blockers_are_reported(simulation: Simulation) -> None:
    await simulation.open(1)
    simulation.cluster.blockers = "Some content in the namespace has finalizers remaining: example.com/hold"
    await simulation.close(1)
    await simulation.settle()
    cause = simulation.github.statuses[1].cause
    assert cause is not None
    assert (cause.summary, cause.detail) == ("The pull request was closed.", simulation.cluster.blockers)
    simulation.cluster.namespaces.clear()
    simulation.cluster.blockers = ""
    await simulation.settle()
    assert simulation.reported(1) == "gone: The pull request was closed."


async def test_pull_request_reopened_before_its_run_keeps_its_preview(
    simulation: Simulation,
) -> None:
    """Contradictory hints in any order end in the state that GitHub has."""
    await simulation.open(1)
    await simulation.store.deliveries.apply_hints(
        [PullRequestHint(SHOP, 1, None, open=False), PullRequestHint(SHOP, 1, None, open=True)]
    )
    await simulation.settle()
    assert len(simulation.cluster.namespaces) == 1

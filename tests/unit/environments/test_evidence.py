"""What is taken away, and on which evidence: everything else stays, whatever GitHub says or does not say."""

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
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.simulation import SHOP, Simulation
from tests.unit.environments.test_desire import PULL

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OUTAGE = Unavailable("GitHub answered 502 to GET /repos/acme/shop/pulls/1.")
UNSEEN = Rejected("The App cannot see acme/shop: it was deleted, or removed from the App's installation.")
SUSPENDED = Rejected("The App's installation is suspended. An owner of the account must unsuspend it.")
UNAUTHORIZED = Rejected("GitHub does not accept the credentials for GET /repos/acme/shop.")


@pytest.fixture
async def simulation(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Simulation]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    yield Simulation(store, clock, Policy(default_ttl=7 * DAY))
    await store.close()


async def told(simulation: Simulation, ask: RepositoryRemoved | ResyncRequested, guid: str = "1") -> None:
    """A signed delivery."""
    await simulation.store.deliveries.record(
        Delivery(guid, "repository", "", simulation.clock(), SHOP), [ask]
    )


def says(trouble: GreenroomError) -> Callable[[Simulation], None]:
    def go(simulation: Simulation) -> None:
        simulation.github.error = trouble

    return go


def lists_nothing(simulation: Simulation) -> None:
    simulation.github.open_pull_requests = lambda _: _nothing()  # type: ignore[method-assign, assignment, return-value]


def shows_nothing(simulation: Simulation) -> None:
    """Not even one by one."""
    lists_nothing(simulation)
    simulation.github.pulls.clear()


async def _nothing() -> list[object]:
    return []


@pytest.mark.parametrize(
    "go_wrong",
    [says(OUTAGE), says(UNSEEN), says(SUSPENDED), says(UNAUTHORIZED), lists_nothing, shows_nothing],
    ids=["outage", "404", "suspended", "401", "empty lists", "shows nothing"],
)
async def test_a_day_of_sweeps_without_github_deletes_nothing(
    simulation: Simulation, go_wrong: Callable[[Simulation], None]
) -> None:
    await simulation.open(*range(1, 13))
    go_wrong(simulation)
    for _ in range(24 * 6):
        await simulation.pass_time(timedelta(minutes=10))
    assert len(simulation.cluster.namespaces) == 12
    for number in range(1, 13):
        assert "deleting" not in await simulation.journal(number)


async def test_when_github_is_back_everything_goes_on(simulation: Simulation) -> None:
    await simulation.open(1, 2)
    simulation.github.error = OUTAGE
    simulation.github.pulls[1] = replace(simulation.github.pulls[1], open=False)  # and its delivery is lost
    await simulation.pass_time(DAY)
    assert len(simulation.cluster.namespaces) == 2
    simulation.github.error = None
    await simulation.pass_time(HOUR)
    assert [key.name for key, _ in simulation.cluster.namespaces.values()] == ["2"]
    assert simulation.reported(1) == "gone: The pull request was closed."


@pytest.mark.parametrize("trouble", [OUTAGE, UNSEEN], ids=["outage", "404"])
async def test_a_deadline_that_passed_needs_no_github(
    simulation: Simulation, trouble: GreenroomError
) -> None:
    await simulation.open(1)
    simulation.github.error = trouble
    await simulation.pass_time(8 * DAY)
    assert simulation.cluster.namespaces == {}
    simulation.github.error = None
    await simulation.pass_time(HOUR)
    assert simulation.reported(1) == "gone: The preview expired. A push or `/preview` creates it again."


@pytest.mark.parametrize(
    "ask",
    [
        RepositoryRemoved(SHOP.installation_id, SHOP.id, "The repository was deleted."),
        RepositoryRemoved(SHOP.installation_id, None, "The App was uninstalled."),
    ],
    ids=["repository", "installation"],
)
async def test_what_was_removed_goes_once_github_confirms_it(
    simulation: Simulation, ask: RepositoryRemoved
) -> None:
    await simulation.open(1, 2)
    simulation.github.error = UNSEEN
    await told(simulation, ask)
    await simulation.pass_time(timedelta(minutes=30))
    simulation.github.removed = True
    await simulation.wake(1, 2)
    assert len(simulation.cluster.namespaces) == 2  # it may be put back at once
    await simulation.pass_time(HOUR)
    assert simulation.cluster.namespaces == {}
    assert (await simulation.journal(1))[-3:] == ["deleting", "gone", "reclaimed"]
    assert [cause for cause, _ in simulation.telemetry.leaks] == ["removed", "removed"]
    record = await simulation.record(1)
    assert record.status.cause is not None
    assert record.status.cause.summary == ask.reason
    assert await simulation.store.queue.next_due() is None  # nobody asks for ever


async def test_a_removal_that_github_does_not_confirm_deletes_nothing(simulation: Simulation) -> None:
    await simulation.open(1)
    simulation.github.error = UNSEEN
    await told(simulation, RepositoryRemoved(SHOP.installation_id, SHOP.id, "The repository was deleted."))
    for _ in range(48):
        await simulation.pass_time(HOUR / 2)
    assert len(simulation.cluster.namespaces) == 1


async def test_a_confirmation_without_a_signed_delivery_deletes_nothing(simulation: Simulation) -> None:
    await simulation.open(1)
    simulation.github.error, simulation.github.removed = UNSEEN, True
    await simulation.pass_time(DAY)
    assert len(simulation.cluster.namespaces) == 1


async def test_a_repository_that_was_put_back_keeps_its_previews(simulation: Simulation) -> None:
    await simulation.open(1)
    await told(simulation, RepositoryRemoved(SHOP.installation_id, SHOP.id, "It was taken out."))
    await simulation.pass_time(HOUR / 2)
    await told(simulation, ResyncRequested(SHOP), guid="2")
    for claim in await simulation.store.queue.claim("test", 9, 60):
        await simulation.store.queue.finish(claim)
    simulation.github.error, simulation.github.removed = UNSEEN, True
    await simulation.pass_time(DAY)
    assert len(simulation.cluster.namespaces) == 1


async def test_another_installations_removal_is_another_repositorys(simulation: Simulation) -> None:
    """Transferred: the account of before has lost it, the new one has it."""
    await simulation.open(1)
    await told(simulation, RepositoryRemoved(SHOP.installation_id + 1, SHOP.id, "It was taken out."))
    simulation.github.error, simulation.github.removed = UNSEEN, True
    await simulation.pass_time(DAY)
    assert len(simulation.cluster.namespaces) == 1


async def test_many_at_once_stop_at_the_breaker(simulation: Simulation) -> None:
    await simulation.open(*range(1, 12))
    simulation.github.error, simulation.github.removed = UNSEEN, True
    await told(simulation, RepositoryRemoved(SHOP.installation_id, None, "The App was uninstalled."))
    for _ in range(12):
        await simulation.pass_time(HOUR)
    assert len(simulation.cluster.namespaces) == 11


async def test_an_archived_repository_needs_no_previews_and_gets_them_back(simulation: Simulation) -> None:
    await simulation.open(1)
    simulation.github.pulls[1] = replace(simulation.github.pulls[1], archived=True)
    await simulation.pass_time(HOUR)
    assert simulation.reported(1) == "gone: The repository is archived."
    assert simulation.cluster.namespaces == {}
    simulation.github.pulls[1] = replace(simulation.github.pulls[1], archived=False)
    await simulation.pass_time(HOUR)
    assert simulation.reported(1) == "ready"


async def test_a_pull_request_that_goes_elsewhere_is_looked_at_again_and_keeps_its_preview(
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


async def test_a_namespace_that_nobody_knows_is_looked_up_before_anything_happens(
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


async def test_what_was_left_under_an_older_name_goes_whatever_github_says(simulation: Simulation) -> None:
    """The store was lost, the repository renamed: the record names another namespace."""
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


async def test_what_nobody_can_look_up_does_not_stay_for_ever(simulation: Simulation) -> None:
    key = EnvironmentKey.preview(SHOP.id, 9)
    simulation.cluster.namespaces[namespace_name(key, SHOP)] = (key, Size())
    simulation.github.error = UNSEEN
    await simulation.pass_time(HOUR)
    await simulation.pass_time(13 * DAY)
    assert len(simulation.cluster.namespaces) == 1
    await simulation.pass_time(2 * DAY)
    assert simulation.cluster.namespaces == {}


async def test_a_preview_whose_namespace_somebody_deleted_is_made_again(simulation: Simulation) -> None:
    await simulation.open(1)
    simulation.cluster.namespaces.clear()
    await simulation.pass_time(HOUR)
    assert len(simulation.cluster.namespaces) == 1
    assert simulation.reported(1) == "ready"
    assert "reclaimed" in await simulation.journal(1)
    assert simulation.telemetry.leaks == [("namespace", 0)]


async def test_what_stood_too_long_is_counted_with_its_cause_and_its_minutes(simulation: Simulation) -> None:
    await simulation.open(1, 2)
    simulation.github.pulls[1] = replace(
        simulation.github.pulls[1], open=False, closed_at=simulation.clock()
    )  # unheard
    simulation.clock.advance(2)
    await simulation.change(2, open=False, closed_at=simulation.clock())  # heard
    await simulation.settle()
    await simulation.pass_time(HOUR)
    assert simulation.cluster.namespaces == {}
    [(cause, minutes)] = simulation.telemetry.leaks
    assert cause == "closed"
    assert 60 <= minutes <= 63
    assert (await simulation.journal(1))[-1] == "reclaimed"
    assert (await simulation.journal(2))[-1] == "gone"


async def test_a_deployment_that_looks_alive_is_ended(simulation: Simulation) -> None:
    await simulation.open(1, 2)
    simulation.github.active = {1, 2}
    await simulation.change(1, open=False, closed_at=simulation.clock())
    await simulation.settle()
    await simulation.pass_time(HOUR)
    assert simulation.github.active == {2}
    assert (await simulation.journal(1))[-1] == "reclaimed"
    assert [cause for cause, _ in simulation.telemetry.leaks] == ["deployment"]


async def test_what_blocks_a_deletion_is_told_on_the_pull_request(simulation: Simulation) -> None:
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


async def test_a_pull_request_that_was_reopened_before_the_look_keeps_what_is_new(
    simulation: Simulation,
) -> None:
    """Two hints in any order end in what GitHub says."""
    await simulation.open(1)
    await simulation.store.deliveries.apply_hints(
        [PullRequestHint(SHOP, 1, None, open=False), PullRequestHint(SHOP, 1, None, open=True)]
    )
    await simulation.settle()
    assert len(simulation.cluster.namespaces) == 1

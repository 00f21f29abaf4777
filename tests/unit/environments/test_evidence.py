"""What is taken away, and on which evidence: everything else stays, whatever GitHub says or does not say."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.environments.context import Policy
from bot.model.delivery import Delivery, PullRequestHint, RepositoryRemoved, ResyncRequested
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.errors import GreenroomError, Rejected, Unavailable
from bot.model.naming import namespace_name
from bot.model.size import Size
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.environments.test_desire import PULL
from tests.unit.environments.town import SHOP, Town

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OUTAGE = Unavailable("GitHub answered 502 to GET /repos/acme/shop/pulls/1.")
UNSEEN = Rejected("The App cannot see acme/shop: it was deleted, or taken out of the App's installation.")
SUSPENDED = Rejected("The App's installation is suspended: an owner of the account has to unsuspend it.")
UNAUTHORIZED = Rejected("GitHub does not accept the credentials for GET /repos/acme/shop.")


@pytest.fixture
async def town(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Town]:
    store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}", clock)
    await store.migrate()
    yield Town(store, clock, Policy(default_ttl=7 * DAY))
    await store.close()


async def told(town: Town, ask: RepositoryRemoved | ResyncRequested, guid: str = "1") -> None:
    """A signed delivery."""
    await town.store.deliveries.record(Delivery(guid, "repository", "", town.clock(), SHOP), [ask])


def says(trouble: GreenroomError) -> Callable[[Town], None]:
    def go(town: Town) -> None:
        town.github.trouble = trouble

    return go


def lists_nothing(town: Town) -> None:
    town.github.open_pulls = lambda _: _nothing()  # type: ignore[method-assign, assignment, return-value]


def shows_nothing(town: Town) -> None:
    """Not even one by one."""
    lists_nothing(town)
    town.github.pulls.clear()


async def _nothing() -> list[object]:
    return []


@pytest.mark.parametrize(
    "go_wrong",
    [says(OUTAGE), says(UNSEEN), says(SUSPENDED), says(UNAUTHORIZED), lists_nothing, shows_nothing],
    ids=["outage", "404", "suspended", "401", "empty lists", "shows nothing"],
)
async def test_a_day_of_sweeps_without_github_deletes_nothing(
    town: Town, go_wrong: Callable[[Town], None]
) -> None:
    await town.open(*range(1, 13))
    go_wrong(town)
    for _ in range(24 * 6):
        await town.pass_time(timedelta(minutes=10))
    assert len(town.cluster.namespaces) == 12
    for number in range(1, 13):
        assert "deleting" not in await town.journal(number)


async def test_when_github_is_back_everything_goes_on(town: Town) -> None:
    await town.open(1, 2)
    town.github.trouble = OUTAGE
    town.github.pulls[1] = replace(town.github.pulls[1], open=False)  # and its delivery is lost
    await town.pass_time(DAY)
    assert len(town.cluster.namespaces) == 2
    town.github.trouble = None
    await town.pass_time(HOUR)
    assert [key.name for key, _ in town.cluster.namespaces.values()] == ["2"]
    assert town.says(1) == "gone: The pull request was closed."


@pytest.mark.parametrize("trouble", [OUTAGE, UNSEEN], ids=["outage", "404"])
async def test_a_deadline_that_passed_needs_no_github(town: Town, trouble: GreenroomError) -> None:
    await town.open(1)
    town.github.trouble = trouble
    await town.pass_time(8 * DAY)
    assert town.cluster.namespaces == {}
    town.github.trouble = None
    await town.pass_time(HOUR)
    assert town.says(1) == "gone: The preview's time was up. A push or `/preview` brings it back."


@pytest.mark.parametrize(
    "ask",
    [
        RepositoryRemoved(SHOP.installation_id, SHOP.id, "The repository was deleted."),
        RepositoryRemoved(SHOP.installation_id, None, "The App was uninstalled."),
    ],
    ids=["repository", "installation"],
)
async def test_what_was_removed_goes_once_github_confirms_it(town: Town, ask: RepositoryRemoved) -> None:
    await town.open(1, 2)
    town.github.trouble = UNSEEN
    await told(town, ask)
    await town.pass_time(timedelta(minutes=30))
    town.github.gone = True
    await town.look(1, 2)
    assert len(town.cluster.namespaces) == 2  # it may be put back at once
    await town.pass_time(HOUR)
    assert town.cluster.namespaces == {}
    assert (await town.journal(1))[-3:] == ["deleting", "gone", "reclaimed"]
    assert [cause for cause, _ in town.telemetry.leaks] == ["removed", "removed"]
    record = await town.record(1)
    assert record.status.cause is not None
    assert record.status.cause.summary == ask.why
    assert await town.store.queue.next_due() is None  # nobody asks for ever


async def test_a_removal_that_github_does_not_confirm_deletes_nothing(town: Town) -> None:
    await town.open(1)
    town.github.trouble = UNSEEN
    await told(town, RepositoryRemoved(SHOP.installation_id, SHOP.id, "The repository was deleted."))
    for _ in range(48):
        await town.pass_time(HOUR / 2)
    assert len(town.cluster.namespaces) == 1


async def test_a_confirmation_without_a_signed_delivery_deletes_nothing(town: Town) -> None:
    await town.open(1)
    town.github.trouble, town.github.gone = UNSEEN, True
    await town.pass_time(DAY)
    assert len(town.cluster.namespaces) == 1


async def test_a_repository_that_was_put_back_keeps_its_previews(town: Town) -> None:
    await town.open(1)
    await told(town, RepositoryRemoved(SHOP.installation_id, SHOP.id, "It was taken out."))
    await town.pass_time(HOUR / 2)
    await told(town, ResyncRequested(SHOP), guid="2")
    for claim in await town.store.queue.claim("test", 9, 60):
        await town.store.queue.finish(claim)
    town.github.trouble, town.github.gone = UNSEEN, True
    await town.pass_time(DAY)
    assert len(town.cluster.namespaces) == 1


async def test_another_installations_removal_is_another_repositorys(town: Town) -> None:
    """Transferred: the account of before has lost it, the new one has it."""
    await town.open(1)
    await told(town, RepositoryRemoved(SHOP.installation_id + 1, SHOP.id, "It was taken out."))
    town.github.trouble, town.github.gone = UNSEEN, True
    await town.pass_time(DAY)
    assert len(town.cluster.namespaces) == 1


async def test_many_at_once_stop_at_the_breaker(town: Town) -> None:
    await town.open(*range(1, 12))
    town.github.trouble, town.github.gone = UNSEEN, True
    await told(town, RepositoryRemoved(SHOP.installation_id, None, "The App was uninstalled."))
    for _ in range(12):
        await town.pass_time(HOUR)
    assert len(town.cluster.namespaces) == 11


async def test_an_archived_repository_needs_no_previews_and_gets_them_back(town: Town) -> None:
    await town.open(1)
    town.github.pulls[1] = replace(town.github.pulls[1], archived=True)
    await town.pass_time(HOUR)
    assert town.says(1) == "gone: The repository is archived: nothing can be merged there."
    assert town.cluster.namespaces == {}
    town.github.pulls[1] = replace(town.github.pulls[1], archived=False)
    await town.pass_time(HOUR)
    assert town.says(1) == "ready"


async def test_a_pull_request_that_goes_elsewhere_is_looked_at_again_and_keeps_its_preview(
    town: Town,
) -> None:
    await town.open(1)
    before = (await town.record(1)).status.expires_at
    town.github.pulls[1] = replace(town.github.pulls[1], base_ref="next")
    await town.pass_time(HOUR)
    record = await town.record(1)
    assert record.status.state is EnvironmentState.READY
    assert record.attempt.pull_request is not None
    assert record.attempt.pull_request.base_ref == "next"
    assert record.status.expires_at == before
    assert "changed" in await town.journal(1)


async def test_a_namespace_that_nobody_knows_is_looked_up_before_anything_happens(town: Town) -> None:
    key = EnvironmentKey.preview(SHOP.id, 9)
    town.cluster.namespaces[namespace_name(key, SHOP)] = (key, Size())
    town.github.trouble = UNSEEN
    await town.pass_time(HOUR)
    assert len(town.cluster.namespaces) == 1
    assert await town.journal(9) == ["unseen"]
    town.github.trouble = None
    town.github.pulls[9] = replace(PULL, number=9, open=False)
    await town.pass_time(HOUR)
    assert town.cluster.namespaces == {}
    assert town.says(9) == "gone: The pull request was closed."


async def test_what_was_left_under_an_older_name_goes_whatever_github_says(town: Town) -> None:
    """The store was lost, the repository renamed: the record names another namespace."""
    await town.open(1)
    key = EnvironmentKey.preview(SHOP.id, 1)
    town.cluster.namespaces["gr-older-a-pr-1"] = (key, Size())
    town.github.trouble = OUTAGE
    await town.pass_time(HOUR)
    assert list(town.cluster.namespaces) == [namespace_name(key, SHOP)]
    assert (await town.journal(1))[-1] == "reclaimed"
    [(cause, minutes)] = town.telemetry.leaks
    assert cause == "renamed"
    assert 60 <= minutes <= 63
    await town.pass_time(HOUR)
    assert (await town.journal(1)).count("reclaimed") == 1


async def test_what_nobody_can_look_up_does_not_stay_for_ever(town: Town) -> None:
    key = EnvironmentKey.preview(SHOP.id, 9)
    town.cluster.namespaces[namespace_name(key, SHOP)] = (key, Size())
    town.github.trouble = UNSEEN
    await town.pass_time(HOUR)
    await town.pass_time(13 * DAY)
    assert len(town.cluster.namespaces) == 1
    await town.pass_time(2 * DAY)
    assert town.cluster.namespaces == {}


async def test_a_preview_whose_namespace_somebody_deleted_is_made_again(town: Town) -> None:
    await town.open(1)
    town.cluster.namespaces.clear()
    await town.pass_time(HOUR)
    assert len(town.cluster.namespaces) == 1
    assert town.says(1) == "ready"
    assert "reclaimed" in await town.journal(1)
    assert town.telemetry.leaks == [("namespace", 0)]


async def test_what_stood_too_long_is_counted_with_its_cause_and_its_minutes(town: Town) -> None:
    await town.open(1, 2)
    town.github.pulls[1] = replace(town.github.pulls[1], open=False, closed_at=town.clock())  # unheard
    town.clock.advance(2)
    await town.change(2, open=False, closed_at=town.clock())  # heard
    await town.settle()
    await town.pass_time(HOUR)
    assert town.cluster.namespaces == {}
    [(cause, minutes)] = town.telemetry.leaks
    assert cause == "closed"
    assert 60 <= minutes <= 63
    assert (await town.journal(1))[-1] == "reclaimed"
    assert (await town.journal(2))[-1] == "gone"


async def test_a_deployment_that_looks_alive_is_ended(town: Town) -> None:
    await town.open(1, 2)
    town.github.active = {1, 2}
    await town.change(1, open=False, closed_at=town.clock())
    await town.settle()
    await town.pass_time(HOUR)
    assert town.github.active == {2}
    assert (await town.journal(1))[-1] == "reclaimed"
    assert [cause for cause, _ in town.telemetry.leaks] == ["deployment"]


async def test_what_blocks_a_deletion_is_told_on_the_pull_request(town: Town) -> None:
    await town.open(1)
    town.cluster.blockers = "Some content in the namespace has finalizers remaining: example.com/hold"
    await town.close(1)
    await town.settle()
    cause = town.github.said[1].cause
    assert cause is not None
    assert (cause.summary, cause.detail) == ("The pull request was closed.", town.cluster.blockers)
    town.cluster.namespaces.clear()
    town.cluster.blockers = ""
    await town.settle()
    assert town.says(1) == "gone: The pull request was closed."


async def test_a_pull_request_that_was_reopened_before_the_look_keeps_what_is_new(town: Town) -> None:
    """Two hints in any order end in what GitHub says."""
    await town.open(1)
    await town.store.deliveries.hint(
        [PullRequestHint(SHOP, 1, None, open=False), PullRequestHint(SHOP, 1, None, open=True)]
    )
    await town.settle()
    assert len(town.cluster.namespaces) == 1

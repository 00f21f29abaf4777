"""Random sequences of what people say, pushes, failures, kills and a GitHub that says no, on a real store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bot.config.loader import parse_configuration
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.promotion import ACTIVE, ENDED, AuditEntry, Promotion, PromotionKind, PromotionState
from bot.promotions.approvals import VALIDITY
from bot.promotions.pipeline import configuration_digest
from bot.store import Store
from tests.stores import ManualClock
from tests.unit.promotions.simulation import PIPELINE, REFUSES, RELEASES, SILENT, STAGES, UNFIT, Town
from tests.unit.promotions.stage_fixtures import SHOP

WORDS = (
    *("promote", "promote", "promote what is there", "approve", "approve", "reject", "abort", "rollback"),
    *("pause", "resume", "lock", "unlock", "hold", "unhold"),
)
PEOPLE = ("ada", "bea", "cem", "eve")
"""ada and eve wrote the commits."""
COMMITS = ("a", "b", *RELEASES)

FREEZE = "[{from: sun 12:10, until: sun 12:30, zone: UTC}, {from: mon 13:10, until: mon 13:40, zone: UTC}]"
"""The town's clock begins at noon on a Sunday."""
BUSY = PIPELINE.replace(
    "staging: {after: [integration], automatic: true, parity: block}",
    """staging:
    after: [integration]
    automatic: true
    parity: block
    soak: 10m""",
).replace("soak: 10m}", "soak: 10m, freeze: " + FREEZE + "}")
CHANGED = BUSY.replace("soak: 10m, freeze", "soak: 10m, config: {PRICES: high}, freeze")

Action = tuple[Any, ...]


@pytest.mark.parametrize("seed", range(24))
async def test_whatever_happens_stages_run_what_they_should(
    seed: int, clock: ManualClock, tmp_path: Path
) -> None:
    await _play(Random(seed), clock, tmp_path)


async def test_while_github_is_away_nothing_is_compared_and_nothing_is_refused(
    store: Store, clock: ManualClock
) -> None:
    town = Town(store, clock)
    await town.begin()
    town.github.configuration = PIPELINE.replace("automatic: true, ", "")
    await town.people("promote", "integration", "ada", "a")
    await town.work(20)
    town.github.away = True
    await town.people("promote", "staging", "ada", "a")
    await town.work(10)
    staging = EnvironmentKey.stage(SHOP.id, "staging")
    [waiting] = await town.store.promotions.find(SHOP.id, stage=staging)
    assert waiting.state is PromotionState.REQUESTED
    town.github.away = False
    town.clock.advance(60)
    await town.work(20)
    [promoted] = await town.store.promotions.find(SHOP.id, stage=staging)
    assert promoted.state is PromotionState.SUCCEEDED
    assert [each.equal for each in promoted.parity] == [True]


async def test_verified_is_only_what_runs_the_releases_very_digests_and_none_other(
    store: Store, clock: ManualClock
) -> None:
    town = Town(store, clock)
    await town.begin()
    town.cluster.left = ["ghcr.io/acme/shop@sha256:0"]
    await town.people("promote", "integration", "ada", "a")
    await town.work(20)
    [one] = await town.store.promotions.find(SHOP.id)
    assert one.state in ACTIVE
    town.cluster.left = []
    town.clock.advance(40)
    await town.work(20)
    found = await town.store.promotions.get(one.id)
    assert found is not None
    assert found.state is PromotionState.SUCCEEDED


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(1000, 1060))
async def test_whatever_else_happens_they_do_too(seed: int, clock: ManualClock, tmp_path: Path) -> None:
    await _play(Random(seed), clock, tmp_path)


async def _play(random: Random, clock: ManualClock, folder: Path) -> None:
    store = await Store.open(f"sqlite:///{folder / 'town.db'}", clock)
    await store.migrate()
    try:
        town = Town(store, clock)
        await town.begin()
        town.configure(BUSY)
        for _ in range(random.randint(10, 40)):
            action = _action(random)
            print(*action)
            await _do(town, *action)
            await _holds(town)
        await _comes_to_rest(town)
        await _history_is_right(town)
    finally:
        await store.close()


def _action(random: Random) -> Action:
    stage = random.choice((*STAGES, "production", "production"))
    what = random.choices(
        ("people", "push through", "ship", "work", "kill", "wait", "world"), (28, 25, 10, 8, 6, 8, 15), k=1
    )
    match what[0]:
        case "people":
            return ("people", random.choice(WORDS), stage, random.choice(PEOPLE), random.choice(COMMITS))
        case "push through":
            yes, meanwhile = (
                random.choice(("", "bea", "cem", *PEOPLE)),
                random.choice((_change_of(random), _wait(random))),
            )
            smooth = random.random() < 0.6
            asks = random.choice(PEOPLE), random.choice(COMMITS)
            return (
                "push through",
                stage,
                *asks,
                yes,
                random.choice(_LITTLE) if smooth else meanwhile,
                smooth,
            )
        case "ship":
            return ("ship", random.choice(PEOPLE), random.choice(COMMITS))
        case "work":
            return ("work", random.choice((3, 30)))
        case "kill":
            return ("kill", random.randint(1, 6))
        case "wait":
            return _wait(random)
    return _change_of(random)


_LITTLE: tuple[Action, ...] = (
    ("nothing",),
    ("nothing",),
    ("configure",),
    ("says", "pause"),
    ("says", "hold"),
)
"""What happens while a release is pushed through smoothly."""


def _wait(random: Random) -> Action:
    return ("wait", random.choice((20, 700, 700, 90_000)))


def _change_of(random: Random) -> Action:
    """Something in the world changes; more often than not it is mended."""
    some = random.choice(COMMITS)
    return random.choice(
        (
            ("push", some),
            ("break", {some}),
            ("break", set()),
            ("shake", random.random() < 0.3),
            ("configure",),
            ("github", random.choice((None, None, SILENT, REFUSES)), ""),
            ("github", None, random.choice(("authors", "reviews", "pull", "tell", "files", "protection"))),
            ("github", None, "authors"),
            ("github", None, ""),
        )
    )


async def _do(town: Town, what: str, *given: Any) -> None:
    match what:
        case "people":
            await town.people(*given)
        case "push through":
            await _push_through(town, *given)
        case "ship":
            by, commit = given
            await town.people("promote", "integration", by, commit)
            await town.work(30)
        case "work":
            await town.work(*given)
        case "kill":
            await town.kill_after(*given)
        case _:
            _change(town, what, *given)


async def _push_through(
    town: Town, stage: str, by: str, commit: str, yes: str, meanwhile: Action, smooth: bool
) -> None:
    """Asked for, approved by somebody, and carried out, while something else happens, or nothing does."""
    if smooth:
        town.github.trouble, town.github.unseen = None, ""
        town.cluster.broken, town.cluster.shaky = set(), False
        await town.people("unlock", stage, "bea", commit)
    await town.people("abort", stage, by, commit)
    await town.work(10)
    town.github.pushed = commit
    await town.people("promote", stage, by, commit)
    await town.work(10)
    if yes:
        await town.people("approve", stage, yes, commit)
    if meanwhile[0] == "says":
        await town.people(meanwhile[1], stage, "bea", commit)
    _change(town, *meanwhile)
    await town.kill_after(2)
    await town.work(20)


def _change(town: Town, what: str, *given: Any) -> None:
    match what:
        case "wait":
            town.clock.advance(*given)
        case "push":
            town.github.pushed = given[0]
        case "break":
            town.cluster.broken = {
                image.digest for each in given[0] for image in RELEASES[each].images.values()
            }
        case "shake":
            town.cluster.shaky = given[0]
        case "configure":
            town.configure(BUSY if town.github.configuration == CHANGED else CHANGED)
        case "github":
            town.github.trouble, town.github.unseen = given


async def _holds(town: Town) -> None:
    """After every step."""
    await town.pods_are_what_the_store_says()
    found = await town.store.promotions.find(SHOP.id, ended=False, limit=1000)
    for record in await town.store.promotions.stages(SHOP.id):
        moving = [each.id for each in found if each.stage == record.key and each.state in ACTIVE]
        assert moving == ([record.active_promotion] if record.active_promotion else []), "two at once"
        if record.name == "production":
            assert record.target is None or record.target.release.commit[0] not in UNFIT


async def _history_is_right(town: Town) -> None:
    """What the audit tells, which forgets nothing."""
    await town.nothing_ran_that_was_not_wanted()
    entries = await town.store.audit.entries(SHOP.id, limit=10_000)
    for each in await town.store.promotions.find(SHOP.id, limit=1000):
        about = [entry for entry in entries if entry.promotion == each.id]
        _was_let_through(each, about)
        _took_its_time(about)
        _came_as_configured(town, each, about)
    _stood_alone(entries)
    for index, entry in enumerate(entries):
        if entry.after == PromotionState.SUPERSEDED:
            assert not _asked(entry, entries), "a person's was superseded"
            assert entry.before not in ACTIVE - {PromotionState.SOAKING}, "in the midst of it"
        if entry.after == PromotionState.SUPERSEDED and entry.before in ACTIVE:
            later = (each for each in reversed(entries[:index]) if each.stage == entry.stage)
            newer = next(each for each in later if each.after in ACTIVE)
            assert not _asked(newer, entries), "a person's waits for what moves the stage"
    requested = Counter(each.promotion for each in entries if each.action == "requested")
    assert set(requested.values()) <= {1}


def _asked(entry: AuditEntry, entries: Sequence[AuditEntry]) -> str:
    """Who asked for the promotion that the entry is about; "" is nobody."""
    return next(
        each.actor for each in entries if (each.promotion, each.action) == (entry.promotion, "requested")
    )


def _was_let_through(promotion: Promotion, entries: Sequence[AuditEntry]) -> None:
    """What came to production had an approval at that moment that counts: for this, and not too old."""
    began = [entry.at for entry in entries if entry.after == PromotionState.DEPLOYING]
    assert len(began) <= 1, "it began twice"
    if promotion.stage.name != "production" or promotion.kind is PromotionKind.ROLLBACK or not began:
        return
    assert promotion.release is not None
    bound = (promotion.release.id, promotion.configuration_digest)
    assert {
        yes.by
        for yes in promotion.approvals
        if (yes.release_id, yes.configuration_digest) == bound
        and began[0] - VALIDITY < yes.at <= began[0]
        and yes.by not in (promotion.requested_by, "ada", "eve")
    }, "nobody who may approve it has"


def _took_its_time(entries: Sequence[AuditEntry]) -> None:
    """Paused it went no further, and it soaked as long as its stage asks for."""
    forward = ("queued", "deploying", "verifying", "soaking", "succeeded")
    paused, soaking = False, None
    for entry in reversed(entries):
        if entry.action in ("paused", "resumed"):
            paused = entry.action == "paused"
        assert not (paused and entry.after in forward), "it was paused"
        if entry.after == PromotionState.SOAKING:
            soaking = entry.at
        if entry.after == PromotionState.SUCCEEDED and entry.stage in ("staging", "production"):
            assert soaking is not None
            assert entry.at >= soaking + timedelta(minutes=10)


def _came_as_configured(town: Town, promotion: Promotion, entries: Sequence[AuditEntry]) -> None:
    """What began had the configuration of its stage that the default branch had at that moment."""
    name = promotion.stage.name
    told = [(at, configuration_digest(parse_configuration(text), name)) for at, text in town.configured]
    for began in (entry.at for entry in entries if entry.after == PromotionState.DEPLOYING):
        before = [digest for at, digest in told if at < began][-1:]
        assert promotion.configuration_digest in [*before, *(digest for at, digest in told if at == began)]


def _stood_alone(entries: Sequence[AuditEntry]) -> None:
    """What the audit tells: who moved a stage was alone with it, and it was theirs to move."""
    holders: dict[str, str] = {}
    held: set[str] = set()
    locked: dict[str, AuditEntry] = {}
    asked = {entry.promotion: entry.actor for entry in entries if entry.action == "requested"}
    for entry in reversed(entries):
        stage, who = entry.stage, asked.get(entry.promotion, "")
        match entry.action:
            case "hold":
                held.add(stage)
            case "unhold":
                held.discard(stage)
            case "locked":
                locked[stage] = entry
            case "unlocked":
                locked.pop(stage, None)
            case PromotionState.ROLLING_BACK:
                assert holders.setdefault(stage, entry.promotion) == entry.promotion, "not alone"
            case PromotionState.DEPLOYING:
                assert holders.setdefault(stage, entry.promotion) == entry.promotion, "not alone"
                assert who or stage not in held, "automatic, and the stage was on hold"
                lock = locked.get(stage)
                late = lock is None or entry.at >= lock.at + timedelta(hours=1)
                assert late or (lock is not None and lock.actor == who), "somebody else had locked it"
            case _ if entry.after in ENDED and holders.get(stage) == entry.promotion:
                del holders[stage]


async def _comes_to_rest(town: Town) -> None:
    """Nothing is stuck, whatever GitHub says: what is left alone ends, and pods run what the store says."""
    town.cluster.broken, town.cluster.shaky = set(), False
    for _ in range(12):
        town.clock.advance(2 * 24 * 3600)
        await town.work(60)
    assert await town.store.promotions.find(SHOP.id, ended=False) == []
    await _holds(town)
    for record in await town.store.promotions.stages(SHOP.id):
        assert record.target is None or record.name != "security", "it stands for a promotion only"
        environment = await town.store.environments.get(record.key)
        if environment is not None:
            assert environment.observed_generation == environment.generation
            ends = (
                {EnvironmentState.READY, EnvironmentState.FAILED}
                if record.target
                else {EnvironmentState.GONE}
            )
            assert environment.status.state in ends

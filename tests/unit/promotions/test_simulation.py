"""Random sequences of commands, pushes, failures, kills and GitHub errors on a real store."""

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
from tests.stores import ManualClock, new_store
from tests.unit.promotions.simulation import (
    PIPELINE,
    REFUSES,
    RELEASES,
    SILENT,
    STAGES,
    UNFIT,
    PromotionSimulation,
)
from tests.unit.promotions.stage_fixtures import SHOP

COMMANDS = (
    *("promote", "promote", "promote what is there", "approve", "approve", "reject", "abort", "rollback"),
    *("pause", "resume", "lock", "unlock", "hold", "unhold"),
)
USERS = ("ada", "bea", "cem", "eve")
"""ada and eve wrote the commits."""
COMMITS = ("a", "b", *RELEASES)

FREEZE = "[{from: sun 12:10, until: sun 12:30, zone: UTC}, {from: mon 13:10, until: mon 13:40, zone: UTC}]"
"""The clock of the simulation starts at noon on a Sunday."""
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


@pytest.mark.parametrize("seed", range(8))
async def test_random_events_keep_the_invariants(seed: int, clock: ManualClock, tmp_path: Path) -> None:
    await _run(Random(seed), clock, tmp_path)


async def test_promotion_is_not_judged_by_a_cached_configuration(store: Store, clock: ManualClock) -> None:
    """The same holds when the pull request's head changed since its last read."""
    simulation = PromotionSimulation(store, clock)
    await simulation.begin()
    simulation.github.cached = PIPELINE.replace("automatic: true, ", "")
    simulation.github.configuration = simulation.github.cached.replace(
        "integration: {}", "integration: {approvals: {count: 1}}"
    )
    await simulation.command("promote", "integration", "ada", "a")
    await simulation.work(20)
    [promotion] = await simulation.store.promotions.find(SHOP.id)
    assert promotion.state is PromotionState.AWAITING_APPROVAL


async def test_outage_of_github_postpones_the_comparison(store: Store, clock: ManualClock) -> None:
    simulation = PromotionSimulation(store, clock)
    await simulation.begin()
    simulation.github.configuration = PIPELINE.replace("automatic: true, ", "")
    await simulation.command("promote", "integration", "ada", "a")
    await simulation.work(20)
    simulation.github.away = True
    await simulation.command("promote", "staging", "ada", "a")
    await simulation.work(10)
    staging = EnvironmentKey.stage(SHOP.id, "staging")
    [waiting] = await simulation.store.promotions.find(SHOP.id, stage=staging)
    assert waiting.state is PromotionState.REQUESTED
    simulation.github.away = False
    simulation.clock.advance(60)
    await simulation.work(20)
    [promoted] = await simulation.store.promotions.find(SHOP.id, stage=staging)
    assert promoted.state is PromotionState.SUCCEEDED
    assert [comparison.equal for comparison in promoted.parity] == [True]


async def test_verification_waits_for_pods_of_other_digests(store: Store, clock: ManualClock) -> None:
    simulation = PromotionSimulation(store, clock)
    await simulation.begin()
    simulation.cluster.left = ["ghcr.io/acme/shop@sha256:0"]
    await simulation.command("promote", "integration", "ada", "a")
    await simulation.work(20)
    [verifying] = await simulation.store.promotions.find(SHOP.id)
    assert verifying.state in ACTIVE
    simulation.cluster.left = []
    simulation.clock.advance(40)
    await simulation.work(20)
    stored = await simulation.store.promotions.get(verifying.id)
    assert stored is not None
    assert stored.state is PromotionState.SUCCEEDED


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(1000, 1080))
async def test_more_random_events_keep_the_invariants(seed: int, clock: ManualClock, tmp_path: Path) -> None:
    await _run(Random(seed), clock, tmp_path)


async def _run(random: Random, clock: ManualClock, folder: Path) -> None:
    store = await new_store(folder / "simulation.db", clock)
    try:
        simulation = PromotionSimulation(store, clock)
        await simulation.begin()
        simulation.configure(BUSY)
        for _ in range(random.randint(10, 40)):
            action = _action(random)
            print(*action)
            await _apply(simulation, *action)
            await _check_stages(simulation)
        await _check_convergence(simulation)
        await _check_audit(simulation)
    finally:
        await store.close()


def _action(random: Random) -> Action:
    stage = random.choice((*STAGES, "production", "production"))
    event = random.choices(
        ("command", "push through", "ship", "work", "kill", "wait", "world"), (28, 25, 10, 8, 6, 8, 15), k=1
    )
    match event[0]:
        case "command":
            return ("command", random.choice(COMMANDS), stage, random.choice(USERS), random.choice(COMMITS))
        case "push through":
            approver, meanwhile = (
                random.choice(("", "bea", "cem", *USERS)),
                random.choice((_change_of(random), _wait(random))),
            )
            smooth = random.random() < 0.6
            asks = random.choice(USERS), random.choice(COMMITS)
            return (
                "push through",
                stage,
                *asks,
                approver,
                random.choice(_LITTLE) if smooth else meanwhile,
                smooth,
            )
        case "ship":
            return ("ship", random.choice(USERS), random.choice(COMMITS))
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
    ("command", "pause"),
    ("command", "hold"),
)
"""What happens while a release is pushed through smoothly."""


def _wait(random: Random) -> Action:
    return ("wait", random.choice((20, 700, 700, 90_000)))


def _change_of(random: Random) -> Action:
    """A random change of the surroundings; more often a repair than a fault."""
    some = random.choice(COMMITS)
    return random.choice(
        (
            ("push", some),
            ("break", {some}),
            ("break", set()),
            ("shake", random.random() < 0.3),
            ("configure",),
            ("github", random.choice((None, None, SILENT, REFUSES)), ""),
            ("github", None, random.choice(("authors", "reviews", "pull", "report", "files", "protection"))),
            ("github", None, "authors"),
            ("github", None, ""),
        )
    )


async def _apply(simulation: PromotionSimulation, event: str, *given: Any) -> None:
    match event:
        case "command":
            await simulation.command(*given)
        case "push through":
            await _push_through(simulation, *given)
        case "ship":
            by, commit = given
            await simulation.command("promote", "integration", by, commit)
            await simulation.work(30)
        case "work":
            await simulation.work(*given)
        case "kill":
            await simulation.kill_after(*given)
        case _:
            _change(simulation, event, *given)


async def _push_through(
    simulation: PromotionSimulation,
    stage: str,
    by: str,
    commit: str,
    approver: str,
    meanwhile: Action,
    smooth: bool,
) -> None:
    """Request, approve and execute a promotion, with at most one other event during it."""
    if smooth:
        simulation.github.trouble, simulation.github.unseen = None, ""
        simulation.cluster.broken, simulation.cluster.shaky = set(), False
        await simulation.command("unlock", stage, "bea", commit)
    await simulation.command("abort", stage, by, commit)
    await simulation.work(10)
    simulation.github.pushed = commit
    await simulation.command("promote", stage, by, commit)
    await simulation.work(10)
    if approver:
        await simulation.command("approve", stage, approver, commit)
    if meanwhile[0] == "command":
        await simulation.command(meanwhile[1], stage, "bea", commit)
    _change(simulation, *meanwhile)
    await simulation.kill_after(2)
    await simulation.work(20)


def _change(simulation: PromotionSimulation, event: str, *given: Any) -> None:
    match event:
        case "wait":
            simulation.clock.advance(*given)
        case "push":
            simulation.github.pushed = given[0]
        case "break":
            simulation.cluster.broken = {
                image.digest for commit in given[0] for image in RELEASES[commit].images.values()
            }
        case "shake":
            simulation.cluster.shaky = given[0]
        case "configure":
            simulation.configure(BUSY if simulation.github.configuration == CHANGED else CHANGED)
        case "github":
            simulation.github.trouble, simulation.github.unseen = given


async def _check_stages(simulation: PromotionSimulation) -> None:
    """After every step."""
    await simulation.check_pods_match_store()
    promotions = await simulation.store.promotions.find(SHOP.id, ended=False, limit=1000)
    for record in await simulation.store.promotions.stages(SHOP.id):
        moving = [
            promotion.id
            for promotion in promotions
            if promotion.stage == record.key and promotion.state in ACTIVE
        ]
        assert moving == ([record.active_promotion] if record.active_promotion else []), "two at once"
        if record.name == "production":
            assert record.target is None or record.target.release.commit[0] not in UNFIT


async def _check_audit(simulation: PromotionSimulation) -> None:
    """Check the complete history in the audit log."""
    await simulation.check_images_were_targets()
    entries = await simulation.store.audit.entries(SHOP.id, limit=10_000)
    for item in await simulation.store.promotions.find(SHOP.id, limit=1000):
        about = [entry for entry in entries if entry.promotion == item.id]
        _check_approvals(item, about)
        _check_pauses_and_soaks(about)
        _check_configuration(simulation, item, about)
    _check_exclusive_access(entries)
    for index, entry in enumerate(entries):
        if entry.after == PromotionState.SUPERSEDED:
            assert not _requester(entry, entries), "a user's promotion was superseded"
            assert entry.before not in ACTIVE - {PromotionState.SOAKING}, "it was rolling out"
        if entry.after == PromotionState.SUPERSEDED and entry.before in ACTIVE:
            later = (item for item in reversed(entries[:index]) if item.stage == entry.stage)
            newer = next(item for item in later if item.after in ACTIVE)
            assert not _requester(newer, entries), "a user's promotion waits for the active one"
    requested = Counter(item.promotion for item in entries if item.action == "requested")
    assert set(requested.values()) <= {1}


def _requester(entry: AuditEntry, entries: Sequence[AuditEntry]) -> str:
    """Requester of the entry's promotion; "" if it is automatic."""
    return next(
        other.actor for other in entries if (other.promotion, other.action) == (entry.promotion, "requested")
    )


def _check_approvals(promotion: Promotion, entries: Sequence[AuditEntry]) -> None:
    """A rollout to production had a valid approval: for this release, and not expired."""
    began = [entry.at for entry in entries if entry.after == PromotionState.DEPLOYING]
    assert len(began) <= 1, "it began twice"
    if promotion.stage.name != "production" or promotion.kind is PromotionKind.ROLLBACK or not began:
        return
    assert promotion.release is not None
    bound = (promotion.release.id, promotion.configuration_digest)
    assert {
        approval.by
        for approval in promotion.approvals
        if (approval.release_id, approval.configuration_digest) == bound
        and began[0] - VALIDITY < approval.at <= began[0]
        and approval.by not in (promotion.requested_by, "ada", "eve")
    }, "a valid approval is missing"


def _check_pauses_and_soaks(entries: Sequence[AuditEntry]) -> None:
    """A paused promotion did not advance, and the soak took its full time."""
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


def _check_configuration(
    simulation: PromotionSimulation, promotion: Promotion, entries: Sequence[AuditEntry]
) -> None:
    """A rollout used the configuration of the default branch at that moment."""
    name = promotion.stage.name
    digests = [
        (at, configuration_digest(parse_configuration(text), name)) for at, text in simulation.configured
    ]
    for began in (entry.at for entry in entries if entry.after == PromotionState.DEPLOYING):
        before = [digest for at, digest in digests if at < began][-1:]
        assert promotion.configuration_digest in [*before, *(digest for at, digest in digests if at == began)]


def _check_exclusive_access(entries: Sequence[AuditEntry]) -> None:
    """One promotion at a time moved a stage, and no lock or hold blocked it."""
    holders: dict[str, str] = {}
    held: set[str] = set()
    locked: dict[str, AuditEntry] = {}
    requesters = {entry.promotion: entry.actor for entry in entries if entry.action == "requested"}
    for entry in reversed(entries):
        stage, requester = entry.stage, requesters.get(entry.promotion, "")
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
                assert requester or stage not in held, "automatic, and the stage was on hold"
                lock = locked.get(stage)
                late = lock is None or entry.at >= lock.at + timedelta(hours=1)
                assert late or (lock is not None and lock.actor == requester), "another user had locked it"
            case _ if entry.after in ENDED and holders.get(stage) == entry.promotion:
                del holders[stage]


async def _check_convergence(simulation: PromotionSimulation) -> None:
    """Without further events, every promotion ends, and pods match the store."""
    simulation.cluster.broken, simulation.cluster.shaky = set(), False
    for _ in range(12):
        simulation.clock.advance(2 * 24 * 3600)
        await simulation.work(60)
    assert await simulation.store.promotions.find(SHOP.id, ended=False) == []
    await _check_stages(simulation)
    for record in await simulation.store.promotions.stages(SHOP.id):
        assert record.target is None or record.name != "security", "it stands for a promotion only"
        environment = await simulation.store.environments.get(record.key)
        if environment is not None:
            assert environment.observed_generation == environment.generation
            ends = (
                {EnvironmentState.READY, EnvironmentState.FAILED}
                if record.target
                else {EnvironmentState.GONE}
            )
            assert environment.status.state in ends

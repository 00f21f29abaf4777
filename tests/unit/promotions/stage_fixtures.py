"""A pipeline, and stages without a store: the pure core alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.cluster.manifests import read
from bot.cluster.render.renderer import manifests_digest
from bot.config.loader import parse_configuration
from bot.github.messages.promotion_reasons import describe
from bot.github.messages.refusals import refusal
from bot.model.environment import (
    Attempt,
    CheckResult,
    CheckState,
    Environment,
    EnvironmentKey,
    EnvironmentKind,
    EnvironmentState,
    Status,
    UserOverrides,
)
from bot.model.promotion import Promotion, PromotionKind, PromotionState, StageRecord
from bot.model.protection import UNPROTECTED, Protection
from bot.model.pull_request import Review
from bot.model.reason import Reported
from bot.model.release import Image, Origin, PromotableRelease
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.promotions import stage_actions
from bot.promotions.approvals import ApprovalRequest, Approver
from bot.promotions.facts import (
    ConfigurationSnapshot,
    Facts,
    PreviewChecks,
    ResolvedRelease,
    RolloutProgress,
    RolloutState,
)
from bot.promotions.provenance import Provenance
from bot.promotions.refusals import Refusal
from bot.promotions.stage_aggregate import STATE_TIMEOUTS, StageAggregate
from bot.promotions.state_machine import step
from bot.store import Store
from tests.unit.environments.test_desired_state import PULL


@contextmanager
def refused(text: str) -> Iterator[None]:
    """Expects a Refusal whose sentence matches the regular expression."""
    with pytest.raises(Refusal) as raised:
        yield
    assert re.search(text, refusal(raised.value.reason)), refusal(raised.value.reason)


NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""A Wednesday."""
SHOP = Repository(7, 1, "acme", "shop")

FILES = {
    "deploy/shop.yaml": b"""
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec: {template: {spec: {containers: [{name: shop, image: ghcr.io/acme/shop}]}}}
"""
}
"""The files of all commits."""

PIPELINE = """
version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
route: {service: shop, port: 80}
stages:
  integration: {}
  security: {}
  staging: {after: [integration, security], config: {COLOUR: blue}}
  production: {after: [staging], protected: true, approvals: {count: 2}, soak: 30m}
"""


def release(commit: str = "a", *, fork: bool = False, origin: Origin = Origin.PREVIEW) -> PromotableRelease:
    images = {"shop": Image("ghcr.io/acme/shop", f"sha256:{commit * 64}"[:71])}
    digest = manifests_digest(read(FILES, ["deploy"]))
    return PromotableRelease(SHOP.id, commit * 40, images, digest, origin, 7, fork, NOW, commit * 40)


PRESENT = {
    login: Approver(may_write=True, teams=("ops", "web"))
    for login in ("ada", "bea", "cem", "dora", "eve", "fay", "grace")
}
"""All still have the role and the teams."""


def facts(release_of_facts: PromotableRelease | None = None, text: str = PIPELINE, **fields: Any) -> Facts:
    """Facts with which every gate passes by default: grace approved the head, ada wrote it."""
    subject = release_of_facts or release()
    pull = replace(
        PULL,
        repository=SHOP,
        number=7,
        author="ada",
        head_sha=fields.pop("head", subject.commit),
        base_ref=fields.pop("other_base", "") or "main",
    )
    reviews = fields.pop("reviews", (Review("grace", True, pull.head_sha),))
    authors = fields.pop("authors", ("ada",))
    defaults: dict[str, Any] = {
        "configuration": ConfigurationSnapshot(text, parse_configuration(text)),
        "resolved": ResolvedRelease(subject),
        "provenance": Provenance(pull, subject.from_fork, authors, reviews),
        "approvers": PRESENT,
        "checks": {},
        "preview_checks": PreviewChecks(subject.commit),
        "protection": UNPROTECTED,
    }
    return Facts(**{**defaults, **fields})


UNDER_WAY = RolloutProgress(RolloutState.IN_PROGRESS)
LIVE = RolloutProgress(RolloutState.LIVE, url="http://staging")
VERIFIED = RolloutProgress(RolloutState.VERIFIED, url="http://staging")
BROKEN = RolloutProgress(RolloutState.FAILED, reason=Reported("Deployment shop: it crashes"), detail="boom")
SMOKE = CheckResult("smoke", CheckState.FAILED, "the first product is missing", "AssertionError")
SMOKE_FAILED = RolloutProgress(RolloutState.LIVE, checks=(SMOKE,))


def promotion(
    stage: str = "integration", by: str = "ada", id: str = "p1", at: datetime = NOW, **fields: Any
) -> Promotion:
    key = EnvironmentKey(EnvironmentKind.STAGE, SHOP.id, stage)
    patience = STATE_TIMEOUTS[PromotionState.REQUESTED]
    defaults: dict[str, Any] = {"number": 7, **fields}
    return Promotion(
        id,
        key,
        SHOP,
        PromotionKind.PROMOTION,
        PromotionState.REQUESTED,
        by,
        at,
        at,
        at + patience,
        **defaults,
    )


def aggregate(stage: str = "integration", **fields: Any) -> StageAggregate:
    record = StageRecord(EnvironmentKey(EnvironmentKind.STAGE, SHOP.id, stage), SHOP, **fields)
    return StageAggregate(record, describe=describe)


def environment_of(record: StageRecord) -> Environment | None:
    """The stage's environment after it deployed the target."""
    if record.target is None:
        return None
    commit, url = record.target.release.commit, "http://staging"
    status = Status(EnvironmentState.READY, commit=commit, live_commit=commit, url=url)
    return Environment(record.key, SHOP, "ns", 1, 1, status, Attempt(), UserOverrides(), "", NOW, NOW)


async def deploy(store: Store, key: EnvironmentKey) -> None:
    """Brings the stage's stored environment to its target."""
    record = next(record for record in await store.promotions.stages(key.repository_id) if record.key == key)
    deployed, stored = environment_of(record), await store.environments.get(key)
    assert deployed is not None
    assert stored is not None
    claims = await store.queue.claim("test", 10, 60)
    [claim] = [claim for claim in claims if claim.key == WorkKey.environment(key)]
    observed = replace(stored, status=deployed.status, observed_generation=stored.generation)
    await store.environments.save(claim, observed)
    for claim in claims:
        await store.queue.finish(claim)


@dataclass
class Stages:
    """All stages of the repository, and a clock."""

    now: datetime = NOW
    aggregates: dict[str, StageAggregate] = field(default_factory=dict)

    def aggregate(self, name: str) -> StageAggregate:
        selected = self.aggregates.setdefault(name, aggregate(name))
        siblings = {
            other: other_aggregate.stage
            for other, other_aggregate in self.aggregates.items()
            if other != name
        }
        return replace(selected, siblings=siblings)

    def later(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def request(self, name: str, by: str = "ada", id: str = "p1", **fields: Any) -> None:
        requested = promotion(name, by, id, self.now, **fields)
        self.aggregates[name] = stage_actions.request(self.aggregate(name), requested, self.now)

    def step(self, name: str, observed: Facts, id: str = "p1") -> PromotionState:
        """Run one step; the observed progress is that of the current target."""
        before = self.aggregate(name)
        observed = replace(observed, progress=replace(observed.progress, serial=before.stage.serial))
        self.aggregates[name] = step(before, id, observed, self.now)
        return self.state(name, id)

    def approve(
        self,
        name: str,
        id: str,
        by: str,
        teams: Sequence[str] = (),
        protection: Protection = UNPROTECTED,
        *,
        written_at: datetime | None = None,
        release: str = "",
    ) -> None:
        """Written a second after the promotion's last change, unless given."""
        subject = self.promotion(name, id)
        given = ApprovalRequest(by, written_at or self.now + timedelta(seconds=1), tuple(teams), release)
        self.aggregates[name] = stage_actions.approve(
            self.aggregate(name), subject, given, protection, self.now
        )

    def state(self, name: str, id: str = "p1") -> PromotionState:
        return self.aggregates[name].promotions[id].state

    def promotion(self, name: str, id: str = "p1") -> Promotion:
        return self.aggregates[name].promotions[id]

    def running(self, name: str) -> PromotableRelease | None:
        target = self.aggregates[name].stage.target
        return target.release if target else None

    def run(
        self, name: str, about: PromotableRelease, id: str, by: str = "ada", text: str = PIPELINE
    ) -> None:
        """Run a promotion until it succeeds, with the required approvals."""
        self.request(name, by, id)
        self.step(name, facts(about, text), id)
        for person in ("bea", "cem"):
            if self.state(name, id) is PromotionState.AWAITING_APPROVAL:
                self.approve(name, id, person)
                self.step(name, facts(about, text), id)
        self.step(name, facts(about, text, progress=VERIFIED), id)
        if self.state(name, id) is PromotionState.SOAKING:
            self.later(minutes=31)
            self.step(name, facts(about, text, progress=VERIFIED), id)
        assert self.state(name, id) is PromotionState.SUCCEEDED, self.promotion(name, id)

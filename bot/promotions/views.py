"""What there is to tell of a stage: the pages, the command line, `/status` and `/why` all show this."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from bot.model.environment import EnvironmentKey, EnvironmentKind, EnvironmentState
from bot.model.promotion import AuditEntry, Hold, Lock, Pin, Promotion, PromotionState, VerifiedTarget
from bot.model.release import PromotableRelease


@dataclass(frozen=True, slots=True)
class PendingPromotion:
    """A promotion that has not ended, and what it waits for."""

    promotion: Promotion
    waits_for: tuple[str, ...]
    """At least one, without a full stop; names and reasons in them may be hostile."""
    until: datetime
    """When it goes on by itself (a soak), or gives up."""
    approvers: str = ""
    """Who may give the approvals that are missing; "" when none are."""

    @property
    def deadline_label(self) -> str:
        """What happens then, as far as the moment."""
        return "It goes on" if self.promotion.state is PromotionState.SOAKING else "It gives up"


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage at one moment. All texts are plain; names and reasons in them may be hostile."""

    key: EnvironmentKey
    repository: str
    configured: bool
    """Whether the pipeline of now has it."""
    state: EnvironmentState | None
    """Of its environment; None before there was one."""
    problem: str
    """Why that waits or failed, in a sentence; "" when it does not."""
    url: str | None
    release: PromotableRelease | None
    """What it is to run; None while nothing is."""
    since: datetime | None
    """When it was told to."""
    verified_at: datetime | None
    """When that release was verified there; None when it was not."""
    active: PendingPromotion | None
    """What has the stage in its hands."""
    waiting: tuple[PendingPromotion, ...]
    """What waits to have it, the oldest first."""
    lock: Lock | None
    hold: Hold | None
    pin: Pin | None
    """What `.greenroom.yml` asks of a demo."""
    verified: tuple[VerifiedTarget, ...]
    """The newest first."""
    promotions: tuple[Promotion, ...] = ()
    """The newest first."""
    audit: tuple[AuditEntry, ...] = ()
    """The newest first."""

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def demo_policy(self) -> str:
        """Who moves a demo, in a sentence; "" for a stage."""
        if self.key.kind is not EnvironmentKind.DEMO:
            return ""
        if not self.configured:
            return "A demo, which stays until an operator takes it away (`greenroom stage remove`)."
        if self.pin is None:
            return "A demo, which people move by command."
        told = f"A demo, pinned to {self.pin.release} in `.greenroom.yml`"
        return f"{told}, which cannot be followed now: {self.pin.problem}" if self.pin.problem else f"{told}."

    @property
    def headline(self) -> str:
        """One sentence: what runs there, or what becomes of it."""
        if self.release is None:
            last = _named(self.verified[0].target.release) if self.verified else ""
            return f"Nothing runs on {self.name}{f'; {last} was verified there last' if last else ''}."
        named = f"Release {_named(self.release)}"
        if self.active is not None:
            return f"{named} is on its way to {self.name}: {self.active.promotion.state}."
        if self.state is EnvironmentState.FAILED:
            return f"{named} is to run on {self.name}, and does not come up."
        verified = "" if self.verified_at is not None else ", and was not verified there"
        return f"{named} runs on {self.name}{verified}."

    @property
    def pending_promotions(self) -> tuple[PendingPromotion, ...]:
        return (*((self.active,) if self.active is not None else ()), *self.waiting)

    def has_verified(self, release_ids: Collection[str]) -> bool:
        return any(each.target.release.id in release_ids for each in self.verified)


@dataclass(frozen=True, slots=True)
class PipelineView:
    """All stages of a repository, in the order of its pipeline."""

    stages: tuple[StageView, ...] = ()
    own_releases: tuple[PromotableRelease, ...] = ()
    """The releases of the commits that were asked about."""
    problem: str = ""
    """Why the pipeline of now is not known, in a sentence; "" when it is."""

    def promotions_of(self, number: int) -> tuple[PendingPromotion, ...]:
        """The promotions of a pull request that have not ended."""
        found = (journey for stage in self.stages for journey in stage.pending_promotions)
        return tuple(each for each in found if each.promotion.number == number)


def _named(release: PromotableRelease) -> str:
    return f"`{release.id}` of `{release.commit[:7]}`"

"""What needs attention, as one list of items: problems, and approvals that wait for the signed-in user."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.github.messages.drift import summary
from bot.model.dashboard import Attention, is_locked
from bot.model.drift import DriftRecord
from bot.model.environment import Environment, EnvironmentKey, EnvironmentKind, EnvironmentState
from bot.model.naming import environment_name
from bot.model.promotion import Promotion, StageRecord
from bot.model.times import format_time


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the list. Its texts may be hostile."""

    badge: EnvironmentState
    """Colour of the label."""
    label: str
    title: str
    name: str
    """Display name, where the title is another text; otherwise ""."""
    path: str
    text: str
    since: datetime | None = None


def approvals_for(attention: Attention, ids: Collection[str]) -> list[Item]:
    """Promotions with these ids, which wait for the signed-in user."""
    return [_approval(promotion) for promotion in attention.approvals if promotion.id in ids]


def trouble(attention: Attention, now: datetime, without: Collection[str]) -> list[Item]:
    """Everything else: first what is broken, then what waits for others."""
    held = [_held(stage) for stage in attention.stages if stage.hold is not None]
    locked = [_locked(stage) for stage in attention.stages if is_locked(stage, now)]
    others = [_approval(promotion) for promotion in attention.approvals if promotion.id not in without]
    return [
        *map(_environment, attention.environments),
        *held,
        *map(_drifted, attention.drifts),
        *locked,
        *others,
    ]


def marks(attention: Attention, now: datetime) -> Mapping[EnvironmentKey, Sequence[Item]]:
    """What the list of environments shows beside the state of a stage."""
    by_stage: dict[EnvironmentKey, list[Item]] = {}
    for stage in attention.stages:
        if stage.hold is not None:
            by_stage.setdefault(stage.key, []).append(_held(stage))
        if is_locked(stage, now):
            by_stage.setdefault(stage.key, []).append(_locked(stage))
    for record in attention.drifts:
        by_stage.setdefault(record.key, []).append(_drifted(record))
    for promotion in attention.approvals:
        by_stage.setdefault(promotion.stage, []).append(_approval(promotion))
    return by_stage


def place(key: EnvironmentKey) -> str:
    """The page of a preview, or of a stage."""
    if key.kind is EnvironmentKind.PREVIEW:
        return f"/environments/{key}"
    return f"/stages/{key.repository_id}/{key.name}"


def _environment(environment: Environment) -> Item:
    status, pull = environment.status, environment.attempt.pull_request
    name = environment_name(environment.key, environment.repository)
    return Item(
        badge=status.state,
        label=status.state.value,
        title=pull.title if pull is not None and pull.title else name,
        name=name if pull is not None and pull.title else "",
        path=f"/environments/{environment.key}",
        text=status.cause.summary if status.cause is not None else "",
        since=environment.updated_at,
    )


def _held(stage: StageRecord) -> Item:
    assert stage.hold is not None
    by = f" (by {stage.hold.by})" if stage.hold.by else ""
    text = f"{stage.hold.reason}{by}"
    return _of_stage(stage, EnvironmentState.FAILED, "on hold", text, stage.hold.since)


def _locked(stage: StageRecord) -> Item:
    assert stage.lock is not None
    reason = f": {stage.lock.reason}" if stage.lock.reason else ""
    text = f"Locked by {stage.lock.by} until {format_time(stage.lock.until)}{reason}"
    return _of_stage(stage, EnvironmentState.WAITING, "locked", text, stage.lock.since)


def _of_stage(
    stage: StageRecord, badge: EnvironmentState, label: str, text: str, since: datetime | None
) -> Item:
    return Item(
        badge, label, environment_name(stage.key, stage.repository), "", place(stage.key), text, since
    )


def _drifted(record: DriftRecord) -> Item:
    name = environment_name(record.key, record.repository)
    text, since = summary(record), record.checked_at
    return Item(EnvironmentState.FAILED, "drift", name, "", place(record.key), text, since)


def _approval(promotion: Promotion) -> Item:
    release = f" of release {promotion.release.id}" if promotion.release is not None else ""
    by = promotion.requested_by or "the pipeline"
    return Item(
        badge=EnvironmentState.WAITING,
        label="awaiting approval",
        title=environment_name(promotion.stage, promotion.repository),
        name="",
        path=place(promotion.stage),
        text=f"The promotion{release}, requested by {by}, needs approval",
        since=promotion.since,
    )

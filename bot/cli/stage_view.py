"""Stages, promotions, releases and audit entries on the terminal. All times are UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from bot.cli.terminal import console, grid, table, text
from bot.github.messages.actions import audit_words, transition
from bot.github.messages.drift import summary
from bot.github.messages.secret_reasons import with_versions
from bot.github.messages.stage_summary import (
    approvers,
    deadline_label,
    demo_policy,
    stage_headline,
    state_label,
    waits_for,
)
from bot.model.promotion import ACTIVE, AuditEntry, Hold, Lock, Promotion, PromotionState, StageRecord
from bot.model.release import PromotableRelease
from bot.model.times import format_time, format_timestamp
from bot.promotions.views import PendingPromotion, StageView

_BUSY = "bold yellow"
_GOOD = frozenset({PromotionState.SUCCEEDED, PromotionState.ROLLED_BACK})


def show_stages(stages: Sequence[StageRecord]) -> None:
    if not stages:
        print("No stages: nothing was promoted yet.")
        return
    now = datetime.now(UTC)
    columns = ("repository", "stage", "kind", "desired release", "commit", "notes")
    rows = []
    for stage in stages:
        release = stage.target.release if stage.target is not None else None
        desired = (release.id, release.commit[:7]) if release is not None else ("", "")
        rows.append(
            (stage.repository.full_name, stage.name, stage.key.kind.value, *desired, _notes(stage, now))
        )
    table(console(), columns, rows)


def show_stage(view: StageView) -> None:
    screen = console()
    screen.print(text(f"{view.repository}:{view.name}", "bold"))
    screen.print(text(stage_headline(view)))
    if view.problem:
        screen.print(text(view.problem, "red"))
    grid(screen, "", [(Text(name, "dim"), text(value)) for name, value in _facts(view) if value])
    grid(screen, "In progress", [_pending(pending) for pending in view.pending_promotions])
    if view.verified:
        screen.print(Text("\nVerified releases, newest first", "bold"))
        rows = [
            (target.release.id, target.release.commit[:7], format_time(verified.at), verified.promotion)
            for verified in view.verified
            for target in (verified.target,)
        ]
        table(screen, ("release", "commit", "time", "promotion"), rows)
    if view.promotions:
        screen.print(Text("\nRecent promotions", "bold"))
        _print_promotions(screen, view.promotions)
    if view.audit:
        screen.print(Text("\nAudit log, newest first", "bold"))
        _print_audit(screen, view.audit)


def show_releases(releases: Sequence[PromotableRelease]) -> None:
    if not releases:
        print("No releases: a preview must be ready first.")
        return
    columns = ("release", "commit", "pull request", "created", "images")
    rows = [
        (
            release.id,
            release.commit[:7],
            f"#{release.number}" if release.number is not None else "",
            format_timestamp(release.made_at),
            "\n".join(image.reference for image in release.images.values()),
        )
        for release in releases
    ]
    table(console(), columns, rows)


def show_audit(entries: Sequence[AuditEntry]) -> None:
    if not entries:
        print("No audit entries.")
        return
    _print_audit(console(), entries)


def _print_promotions(screen: Console, promotions: Sequence[Promotion]) -> None:
    rows = [
        (
            format_timestamp(promotion.since),
            promotion.id,
            promotion.release.id if promotion.release is not None else "",
            promotion.requested_by or "the pipeline",
            with_versions(promotion.secrets),
            _state(promotion),
        )
        for promotion in promotions
    ]
    table(screen, ("since", "promotion", "release", "requested by", "secrets", "state"), rows)


def _print_audit(screen: Console, entries: Sequence[AuditEntry]) -> None:
    rows = [
        (format_timestamp(entry.at), entry.stage, entry.actor or "greenroom", _action(entry))
        for entry in entries
    ]
    table(screen, ("time", "stage", "actor", "action"), rows)


def _blocked_by(lock: Lock | None, hold: Hold | None) -> str:
    """What keeps promotions from a stage; "" when nothing does."""
    parts = []
    if lock is not None:
        reason = f" ({lock.reason})" if lock.reason else ""
        parts.append(f"locked by {lock.by} until {format_time(lock.until)}{reason}")
    if hold is not None:
        parts.append(f"on hold: {hold.reason}")
    return "; ".join(parts)


def _state(promotion: Promotion) -> Text:
    state = promotion.state
    style = "green" if state in _GOOD else _BUSY if state in ACTIVE else "dim"
    return text(state_label(state), style) + text(f": {promotion.reason}" if promotion.reason else "")


def _action(entry: AuditEntry) -> str:
    """Such as `verifying → succeeded [8c5b605ba2]`, or `locked: load test`."""
    words = audit_words(entry)
    action = transition(entry) or words.action
    if words.change:
        action += f" ({' → '.join(words.change)})"
    reason = f": {words.reason}" if words.reason else ""
    return f"{action}{reason}{f' [{entry.promotion}]' if entry.promotion else ''}"


def _notes(stage: StageRecord, now: datetime) -> str:
    lock = stage.lock if stage.lock is not None and now < stage.lock.until else None
    parts = [f"changed by promotion {stage.active_promotion}" if stage.active_promotion is not None else ""]
    if stage.pin is not None:
        problem = f" (waiting: {stage.pin.problem})" if stage.pin.problem else ""
        parts.append(f"pinned to {stage.pin.release}{problem}")
    return "; ".join(filter(None, [*parts, _blocked_by(lock, stage.hold)]))


def _facts(view: StageView) -> list[tuple[str, str]]:
    """Names and values; values may be empty."""
    release = view.release
    images = sorted(release.images.items()) if release is not None else []
    return [
        ("pipeline", "" if view.configured else "no longer in .greenroom.yml"),
        ("kind", demo_policy(view)),
        ("since", format_time(view.since) if view.since is not None else ""),
        ("URL", view.url or "" if release is not None else ""),
        *((f"URL of {name}", url) for name, url in view.addresses.items() if release is not None),
        ("running", _running(view)),
        ("commit", release.commit if release is not None else ""),
        *((f"image {name}", image.digest) for name, image in images),
        ("secrets", with_versions(view.secrets)),
        ("blocked", _blocked_by(view.lock, view.hold)),
        ("drift", summary(view.drift) if view.drift is not None else ""),
    ]


def _running(view: StageView) -> str:
    """What runs, if it is not the desired release."""
    if view.release is None or view.running == view.release:
        return ""
    return f"{view.running.id} of {view.running.commit[:7]}" if view.running is not None else "nothing"


def _pending(pending: PendingPromotion) -> tuple[Text, Text, Text]:
    """State, release, and what the promotion waits for."""
    promotion = pending.promotion
    release = promotion.release.id if promotion.release is not None else promotion.kind.value
    summary = f"requested by {promotion.requested_by or 'the pipeline'}: {'; '.join(waits_for(pending))}."
    summary += f" {deadline_label(pending)} at {format_time(pending.until)}."
    if users := approvers(pending):
        summary += f" Needs approval from {users}."
    return Text(promotion.state, "bold yellow"), text(f"{release} ({promotion.id})"), text(summary)

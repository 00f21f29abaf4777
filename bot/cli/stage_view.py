"""One stage on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from bot.cli.stage_tables import audit_table, blocked_by, promotion_table
from bot.cli.terminal import grid, table, text
from bot.github.messages.stage_summary import (
    approvers,
    deadline_label,
    demo_policy,
    stage_headline,
    waits_for,
)
from bot.model.times import format_time
from bot.promotions.views import PendingPromotion, StageView


def show_stage(view: StageView) -> None:
    console = Console()
    console.print(text(f"{view.repository}:{view.name}", "bold"))
    console.print(text(stage_headline(view)))
    if view.problem:
        console.print(text(view.problem, "red"))
    grid(console, "", [(Text(name, "dim"), text(value)) for name, value in _facts(view) if value])
    grid(console, "In progress", [_pending(pending) for pending in view.pending_promotions])
    if view.verified:
        console.print(Text("\nVerified releases, newest first", "bold"))
        rows = [
            (target.release.id, target.release.commit[:7], format_time(verified.at), verified.promotion)
            for verified in view.verified
            for target in (verified.target,)
        ]
        console.print(table(("release", "commit", "time", "promotion"), rows))
    if view.promotions:
        console.print(Text("\nRecent promotions", "bold"))
        console.print(promotion_table(view.promotions))
    if view.audit:
        console.print(Text("\nAudit log, newest first", "bold"))
        console.print(audit_table(view.audit))


def _facts(view: StageView) -> list[tuple[str, str]]:
    """Names and values; values may be empty."""
    release = view.release
    images = sorted(release.images.items()) if release is not None else []
    return [
        ("pipeline", "" if view.configured else "no longer in .greenroom.yml"),
        ("kind", demo_policy(view)),
        ("since", format_time(view.since) if view.since is not None else ""),
        ("URL", view.url or "" if release is not None else ""),
        ("commit", release.commit if release is not None else ""),
        *((f"image {name}", image.digest) for name, image in images),
        ("blocked", blocked_by(view.lock, view.hold)),
    ]


def _pending(pending: PendingPromotion) -> tuple[Text, Text, Text]:
    """State, release, and what the promotion waits for."""
    promotion = pending.promotion
    release = promotion.release.id if promotion.release is not None else promotion.kind.value
    summary = f"requested by {promotion.requested_by or 'the pipeline'}: {'; '.join(waits_for(pending))}."
    summary += f" {deadline_label(pending)} at {format_time(pending.until)}."
    if users := approvers(pending):
        summary += f" Needs approval from {users}."
    return Text(promotion.state, "bold yellow"), text(f"{release} ({promotion.id})"), text(summary)

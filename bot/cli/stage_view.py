"""The account of a stage on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from bot.cli.pipeline import audit_table, kept, promotion_table, time
from bot.cli.terminal import grid, table, text
from bot.promotions.views import PendingPromotion, StageView


def show_stage(story: StageView) -> None:
    console = Console()
    console.print(text(f"{story.repository}:{story.name}", "bold"))
    console.print(text(story.headline))
    if story.problem:
        console.print(text(story.problem, "red"))
    grid(console, "", [(Text(name, "dim"), text(value)) for name, value in _facts(story) if value])
    grid(console, "Under way", [_journey(each) for each in story.pending_promotions])
    if story.verified:
        console.print(Text("\nVerified there, the newest first", "bold"))
        rows = [
            (each.target.release.id, each.target.release.commit[:7], time(each.at), each.promotion)
            for each in story.verified
        ]
        console.print(table(("release", "commit", "when", "promotion"), rows))
    if story.promotions:
        console.print(Text("\nThe last promotions", "bold"))
        console.print(promotion_table(story.promotions))
    if story.audit:
        console.print(Text("\nWhat was done and decided, the newest first", "bold"))
        console.print(audit_table(story.audit))


def _facts(story: StageView) -> list[tuple[str, str]]:
    release = story.release
    images = sorted(release.images.items()) if release is not None else []
    return [
        ("pipeline", "" if story.configured else "has it no more"),
        ("kind", story.demo_policy),
        ("since", time(story.since) if story.since is not None else ""),
        ("address", story.url or "" if release is not None else ""),
        ("commit", release.commit if release is not None else ""),
        *((f"image {name}", image.digest) for name, image in images),
        ("kept", kept(story.lock, story.hold)),
    ]


def _journey(journey: PendingPromotion) -> tuple[Text, Text, Text]:
    one = journey.promotion
    release = one.release.id if one.release is not None else one.kind.value
    told = f"asked for by {one.requested_by or 'the pipeline'}: {'; '.join(journey.waits_for)}."
    told += f" {journey.deadline_label} at {time(journey.until)}."
    if journey.approvers:
        told += f" To be approved by {journey.approvers}."
    return Text(one.state, "bold yellow"), text(f"{release} ({one.id})"), text(told)

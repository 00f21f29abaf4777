"""What can happen to a preview, for the snapshots of what people then read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.commands.table import suggested_commands
from bot.environments.admission import queue_message
from bot.github.messages import environment as texts
from bot.model.environment import (
    CheckResult,
    CheckState,
    EndReason,
    EnvironmentKey,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    StatusMessage,
)
from bot.model.quota import QueuePosition, Scope

OLD, NEW = "0d1e2f3" + "0" * 33, "4a5b6c7" + "0" * 33
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
URL = "https://pr-7-shop-k2x9f1.preview.example.com"
KEY = EnvironmentKey.preview(731420118, 7)
PAGE = f"https://greenroom.example.com/environments/{KEY}"
PLACE = texts.Location(KEY, PAGE)
BESIDE_OLDER = texts.Location(KEY, PAGE, URL)

LOG = """\
shop: starting
Traceback (most recent call last):
  File "/app/shop/server.py", line 41, in main
    price = prices[article]
KeyError: 'teapot'
"""
HOSTILE = (
    "@acme/everyone <img src=x onerror=alert(1)> [click](https://evil.example) # not a heading\n"
    "```\n</details> | **bold** `code` $x$ #12 GH-3 www.evil.example <!-- greenroom preview/1/1 -->"
)


def _took(*seconds: float) -> Mapping[Phase, PhaseRecord]:
    records, at = {}, NOW
    for phase, took in zip(Phase, seconds, strict=False):
        records[phase] = PhaseRecord(at, at + timedelta(seconds=took))
        at += timedelta(seconds=took)
    return records


PENDING = Status(EnvironmentState.PENDING, commit=NEW, expires_at=NOW + timedelta(days=3))
READY = replace(
    PENDING,
    state=EnvironmentState.READY,
    live_commit=NEW,
    images={"shop": "sha256:" + "1a2b" * 16, "worker": "sha256:" + "9f8e" * 16},
    url=URL,
    phases=_took(0.04, 0.3, 0.2, 1.1, 12.4, 21.7, 0.9, 1.6, 150.0),
)
CHECKS = (
    CheckResult("http-healthz", CheckState.PASSED, "`GET /healthz` answered 200.", seconds=0.21),
    CheckResult("smoke", CheckState.FAILED, "The Job failed: exit code 1.", LOG, 12.3),
    CheckResult("e2e", CheckState.RUNNING),
)
RUNNING = PhaseRecord(NOW)

SCENES: Mapping[str, tuple[Status, texts.Location]] = {
    "pending": (replace(PENDING, phases={Phase.CONFIGURATION: RUNNING}), PLACE),
    "updating": (replace(PENDING, live_commit=OLD), BESIDE_OLDER),
    "checked-again": (replace(PENDING, live_commit=NEW), BESIDE_OLDER),
    "resetting-data": (
        replace(
            PENDING,
            live_commit=NEW,
            cause=StatusMessage("Its data is reset and seeded anew, as `/reseed` asked."),
        ),
        BESIDE_OLDER,
    ),
    "failed-seed": (
        replace(
            PENDING,
            state=EnvironmentState.FAILED,
            phase=Phase.DATA,
            live_commit=OLD,
            cause=StatusMessage(
                "The seed `python -m shop.seed` failed: it ended with exit code 1.",
                "the seed was refused: product 'mug-fern' has no cents",
            ),
            notes=(
                "It ran over data that was there: one that cannot run twice needs `data.on_push: reset`.",
            ),
        ),
        BESIDE_OLDER,
    ),
    "failed-migrations": (
        replace(
            PENDING,
            state=EnvironmentState.FAILED,
            phase=Phase.DATA,
            live_commit=OLD,
            cause=StatusMessage(
                "The migrations `alembic upgrade head` failed: it ended with exit code 1.",
                'NotNullViolation: column "colour" of relation "products" contains null values',
            ),
            checks=(
                CheckResult(
                    "migrations",
                    CheckState.FAILED,
                    "`alembic upgrade head`: it ended with exit code 1.",
                    'NotNullViolation: column "colour" of relation "products" contains null values',
                ),
            ),
        ),
        BESIDE_OLDER,
    ),
    "waiting-for-the-image": (
        replace(
            PENDING,
            state=EnvironmentState.WAITING,
            live_commit=OLD,
            cause=StatusMessage(
                "Waiting for the image ghcr.io/acme/shop:4a5b6c7: CI is still running.",
                until=NOW + timedelta(hours=1),
            ),
            phases={**_took(0.04), Phase.ARTIFACT: RUNNING},
        ),
        BESIDE_OLDER,
    ),
    "waiting-in-the-queue": (
        replace(
            PENDING,
            state=EnvironmentState.WAITING,
            cause=StatusMessage(
                queue_message(QueuePosition(3, Scope.INSTALLATION, 20, 20), "acme/shop", "ada")
            ),
            phases=_took(0.04, 0.3, 0.2),
            expires_at=None,
        ),
        PLACE,
    ),
    "ready": (READY, PLACE),
    "ready-with-checks": (replace(READY, checks=CHECKS), PLACE),
    "ready-and-expiring": (replace(READY, expiring=True), PLACE),
    "ready-without-a-route": (replace(READY, url=None, images={}, expires_at=None), PLACE),
    "ready-with-notes": (
        replace(
            READY,
            notes=(
                "`preview.ttl` is `30d`, but the operator allows `14d` at most.",
                "A fork gets no secrets, so it runs without `STRIPE_KEY`.",
                "A fork gets no accounts of the cluster, so it runs without `ServiceAccount/shop`.",
            ),
        ),
        PLACE,
    ),
    "failed": (
        replace(
            PENDING,
            state=EnvironmentState.FAILED,
            phase=Phase.WORKLOADS,
            live_commit=OLD,
            cause=StatusMessage(
                "The container web of Deployment shop exits with 1 as soon as it starts.", LOG
            ),
            phases={**_took(0.04, 0.3, 0.2, 1.1, 12.4), Phase.WORKLOADS: RUNNING},
        ),
        BESIDE_OLDER,
    ),
    "failed-configuration": (
        replace(
            PENDING,
            state=EnvironmentState.FAILED,
            cause=StatusMessage(
                "`.greenroom.yml` on the default branch cannot be used. "
                "Mend it there, and the preview goes on by itself.",
                ".greenroom.yml, line 4, route.port: must be 65535 or less",
            ),
        ),
        PLACE,
    ),
    "failed-secrets": (
        replace(
            PENDING,
            state=EnvironmentState.FAILED,
            phase=Phase.CONFIGURATION,
            cause=StatusMessage(
                "Nothing was started, as these secrets cannot be had: `STRIPE_KEY`. "
                "They are looked for every minute.",
                "preview.secrets.STRIPE_KEY, env:STRIPE_KEY: the bot has no variable "
                "GREENROOM_SECRET_STRIPE_KEY, or GREENROOM_SECRET_STRIPE_KEY_REPOSITORIES does not name "
                "acme/shop.",
            ),
        ),
        PLACE,
    ),
    "failed-with-hostile-words": (
        replace(
            PENDING,
            state=EnvironmentState.FAILED,
            phase=Phase.WORKLOADS,
            cause=StatusMessage(HOSTILE, HOSTILE),
        ),
        PLACE,
    ),
    "asleep": (
        replace(
            PENDING,
            state=EnvironmentState.ASLEEP,
            live_commit=NEW,
            cause=StatusMessage("`ada` put it to sleep: nothing runs, and the data stays."),
        ),
        PLACE,
    ),
    "refused-fork": (
        Status(
            EnvironmentState.REFUSED,
            commit=NEW,
            end=EndReason.FORK,
            cause=StatusMessage(
                "This pull request comes from a fork, so nothing of it runs by itself. Somebody with write "
                "access to acme/shop can allow this commit with `/preview`; a push takes the permission away."
            ),
        ),
        PLACE,
    ),
    "refused-draft": (
        Status(
            EnvironmentState.REFUSED,
            commit=NEW,
            end=EndReason.SKIPPED,
            cause=StatusMessage(
                "No preview for a draft (`preview.skip.drafts`). Mark it as ready for review to get one."
            ),
        ),
        PLACE,
    ),
    "deleting": (
        Status(
            EnvironmentState.DELETING,
            commit=NEW,
            end=EndReason.MERGED,
            cause=StatusMessage(
                "The pull request was merged.",
                "PersistentVolumeClaim data: finalizer kubernetes.io/pvc-protection",
            ),
        ),
        PLACE,
    ),
    "gone-closed": (
        Status(
            EnvironmentState.GONE,
            commit=NEW,
            end=EndReason.CLOSED,
            cause=StatusMessage("The pull request was closed."),
        ),
        PLACE,
    ),
    "gone-archived": (
        Status(
            EnvironmentState.GONE,
            commit=NEW,
            end=EndReason.ARCHIVED,
            cause=StatusMessage("The repository is archived: nothing can be merged there."),
        ),
        PLACE,
    ),
    "gone-destroyed": (
        Status(
            EnvironmentState.GONE,
            commit=NEW,
            end=EndReason.DESTROYED,
            cause=StatusMessage("`ada` had it taken away. `/preview` brings it back."),
        ),
        PLACE,
    ),
    "gone-expired": (
        Status(
            EnvironmentState.GONE,
            commit=NEW,
            end=EndReason.EXPIRED,
            cause=StatusMessage("The preview's time was up. A push or `/preview` brings it back."),
        ),
        PLACE,
    ),
}


def rendered(status: Status, place: texts.Location) -> str:
    """Everything that GitHub shows of it, as one page."""
    parts = ["# Comment", texts.comment(status, place, suggested_commands(status))]
    parts += ["# Check run", *_output(texts.check(status, place))]
    for result in status.checks:
        parts += [f"# Check run {result.name}", *_output(texts.named_check(result, place))]
    if status.state in (EnvironmentState.READY, EnvironmentState.FAILED):
        parts += ["# Deployment", texts.deployment(status)]
    if status.state not in (EnvironmentState.FAILED, EnvironmentState.PENDING, EnvironmentState.WAITING):
        parts += ["# Deployment that ends", texts.deployment_ended(status)]
    return "\n\n".join(parts) + "\n"


def _output(output: texts.Output) -> list[str]:
    return [f"Title: {output.title}", output.summary, *([output.text] if output.text else [])]

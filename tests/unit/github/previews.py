"""Statuses of a preview, for the snapshots of its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.commands.table import suggested_commands
from bot.environments.image_reasons import ImageMissing
from bot.environments.reasons import (
    ChecksFailed,
    Destroyed,
    ForkNotAllowed,
    HttpResult,
    ManifestNotes,
    ManifestsTransformed,
    PlainReason,
    Queued,
    TtlLimited,
)
from bot.environments.secret_reasons import SecretsUnavailable, SecretsWithheld
from bot.environments.sleep_reasons import Asleep, IdleUnknown
from bot.github.messages import environment as texts
from bot.github.messages.environment_reasons import describe
from bot.model.ci import CiState
from bot.model.environment import (
    CheckResult,
    CheckState,
    EndReason,
    EnvironmentKey,
    EnvironmentKind,
    EnvironmentState,
    Phase,
    PhaseRecord,
    Status,
    StatusMessage,
    phases_of,
)
from bot.model.notes import Effect, Note, counts
from bot.model.quota import QueuePosition, Scope
from bot.model.sleep import Sleep, SleepCause

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
_OBEYED = "other controllers may act on it; the operator can allow it with `GREENROOM_ALLOWED_ANNOTATIONS`"
REMOVED = (
    *(
        Note(Effect.LEFT_OUT, f"Service/{name}", _OBEYED, 'metadata.annotations["prometheus.io/scrape"]')
        for name in "abcde"
    ),
    *(
        Note(Effect.LEFT_OUT, "Deployment/shop", _OBEYED, f'metadata.labels["`@acme/{number}`"]')
        for number in range(8)
    ),
)
REDUCED = Note(
    Effect.REWRITTEN,
    "Deployment/shop",
    "longer times delay the deletion (`GREENROOM_LONGEST_GRACE_PERIOD`)",
    "spec.template.spec.terminationGracePeriodSeconds",
    "300",
)
BUDGET = Note(
    Effect.LEFT_OUT,
    "PodDisruptionBudget/shop",
    "it allows no pod to be evicted, which would block the maintenance of nodes",
)
UNKNOWN_SECRET = Note(Effect.MISSING, "Secret/payment", "the manifests refer to it and do not contain it")
HOSTILE = (
    "@acme/everyone <img src=x onerror=alert(1)> [click](https://evil.example) # not a heading\n"
    "```\n</details> | **bold** `code` $x$ #12 GH-3 www.evil.example <!-- greenroom preview/1/1 -->"
)


def _took(*seconds: float) -> Mapping[Phase, PhaseRecord]:
    records, at = {}, NOW
    for phase, took in zip(phases_of(EnvironmentKind.STAGE), seconds, strict=False):
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
    CheckResult(
        "http-healthz", CheckState.PASSED, describe(HttpResult("/healthz", 200, "", 1)), seconds=0.21
    ),
    CheckResult("smoke", CheckState.FAILED, "The Job failed: exit code 1.", LOG, 12.3),
    CheckResult("e2e", CheckState.RUNNING),
)
RUNNING = PhaseRecord(NOW)

PREVIEWS: Mapping[str, tuple[Status, texts.Location]] = {
    "pending": (replace(PENDING, phases={Phase.CONFIGURATION: RUNNING}), PLACE),
    "updating": (replace(PENDING, live_commit=OLD), BESIDE_OLDER),
    "checked-again": (replace(PENDING, live_commit=NEW), BESIDE_OLDER),
    "resetting-data": (
        replace(
            PENDING,
            live_commit=NEW,
            cause=StatusMessage(describe(PlainReason.DATA_RESET_BY_COMMAND)),
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
            notes=(describe(PlainReason.SEED_NOT_REPEATABLE),),
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
                describe(ImageMissing(("ghcr.io/acme/shop:4a5b6c7",), CiState.PENDING)),
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
                describe(Queued(QueuePosition(3, Scope.INSTALLATION, 20, 20), "acme/shop", "ada"))
            ),
            phases=_took(0.04, 0.3, 0.2),
            expires_at=None,
        ),
        PLACE,
    ),
    "ready": (READY, PLACE),
    "ready-with-checks": (replace(READY, checks=CHECKS[:1]), PLACE),
    "ready-with-failed-checks": (
        replace(
            READY,
            state=EnvironmentState.CHECKS_FAILED,
            checks=CHECKS[:2],
            cause=StatusMessage(describe(ChecksFailed(("smoke",)))),
        ),
        PLACE,
    ),
    "ready-and-expiring": (replace(READY, expiring=True), PLACE),
    "ready-without-a-route": (replace(READY, url=None, images={}, expires_at=None), PLACE),
    "ready-with-notes": (
        replace(
            READY,
            notes=(
                describe(TtlLimited(timedelta(days=30), timedelta(days=14))),
                describe(SecretsWithheld(("STRIPE_KEY",))),
                describe(ManifestNotes((UNKNOWN_SECRET,))),
                describe(ManifestsTransformed(counts((*REMOVED, REDUCED, BUDGET)))),
            ),
            manifest_notes=(
                describe(ManifestNotes((REDUCED,))),
                describe(ManifestNotes(REMOVED)),
                describe(ManifestNotes((BUDGET,))),
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
            phases={
                **_took(0.04, 0.3, 0.2, 1.1, 12.4),
                Phase.WORKLOADS: PhaseRecord(NOW, failed_at=NOW + timedelta(seconds=34)),
            },
        ),
        BESIDE_OLDER,
    ),
    "failed-configuration": (
        replace(
            PENDING,
            state=EnvironmentState.FAILED,
            cause=StatusMessage(
                describe(PlainReason.CONFIGURATION_INVALID),
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
                describe(SecretsUnavailable(("STRIPE_KEY",))),
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
            cause=StatusMessage(describe(Asleep(Sleep(NEW, by="ada"), address=False))),
        ),
        PLACE,
    ),
    "asleep-idle": (
        replace(
            PENDING,
            state=EnvironmentState.ASLEEP,
            cause=StatusMessage(describe(Asleep(Sleep(NEW, SleepCause.IDLE, idle_since=NOW), address=True))),
            url=URL,
            expires_at=NOW + timedelta(days=2),
            notes=(describe(IdleUnknown("")),),
        ),
        PLACE,
    ),
    "asleep-for-another-preview": (
        replace(
            PENDING,
            state=EnvironmentState.ASLEEP,
            cause=StatusMessage(describe(Asleep(Sleep(NEW, SleepCause.CAP, idle_since=NOW), address=True))),
            url=URL,
        ),
        PLACE,
    ),
    "refused-fork": (
        Status(
            EnvironmentState.REFUSED,
            commit=NEW,
            end=EndReason.FORK,
            cause=StatusMessage(describe(ForkNotAllowed("acme/shop"))),
        ),
        PLACE,
    ),
    "refused-draft": (
        Status(
            EnvironmentState.REFUSED,
            commit=NEW,
            end=EndReason.SKIPPED,
            cause=StatusMessage(describe(PlainReason.SKIPPED_DRAFT)),
        ),
        PLACE,
    ),
    "deleting": (
        Status(
            EnvironmentState.DELETING,
            commit=NEW,
            end=EndReason.MERGED,
            cause=StatusMessage(
                describe(PlainReason.PULL_REQUEST_MERGED),
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
            cause=StatusMessage(describe(PlainReason.PULL_REQUEST_CLOSED)),
        ),
        PLACE,
    ),
    "gone-archived": (
        Status(
            EnvironmentState.GONE,
            commit=NEW,
            end=EndReason.ARCHIVED,
            cause=StatusMessage(describe(PlainReason.REPOSITORY_ARCHIVED)),
        ),
        PLACE,
    ),
    "gone-destroyed": (
        Status(
            EnvironmentState.GONE,
            commit=NEW,
            end=EndReason.DESTROYED,
            cause=StatusMessage(describe(Destroyed("ada"))),
        ),
        PLACE,
    ),
    "gone-expired": (
        Status(
            EnvironmentState.GONE,
            commit=NEW,
            end=EndReason.EXPIRED,
            cause=StatusMessage(describe(PlainReason.EXPIRED)),
        ),
        PLACE,
    ),
}


def rendered(status: Status, place: texts.Location) -> str:
    """Everything that GitHub shows of it, as one page."""
    parts = ["# Comment", texts.comment(status, place, suggested_commands(status, "integration"))]
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

"""What a command can lead to, for the snapshots of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from bot.commands.grammar import UsageProblem
from bot.commands.outcome import Outcome, Result, StatusAnswer
from bot.commands.table import STAGE_VERBS, Verb
from bot.environments.views import EnvironmentView, environment_view
from bot.github.messages.promotion_reasons import describe
from bot.model.environment import (
    Attempt,
    Decision,
    Environment,
    EnvironmentState,
    StatusMessage,
    UserOverrides,
)
from bot.model.repository import Repository
from bot.model.role import Role
from bot.model.work import ScheduledWork
from bot.promotions.refusals import ApprovalForOther
from bot.promotions.views import PipelineView, StageView
from tests.unit.github import stages
from tests.unit.github.previews import CHECKS, HOSTILE, KEY, LOG, NEW, NOW, OLD, PENDING, READY
from tests.unit.promotions.stage_fixtures import release

COMMENT = 2_811_000_417


def _environment_view(state: EnvironmentState, cause: StatusMessage | None = None) -> EnvironmentView:
    environment = Environment(
        key=KEY,
        repository=Repository(KEY.repository_id, 20, "acme", "shop"),
        namespace="gr-shop-pr-7",
        generation=3,
        observed_generation=3,
        status=replace(READY if cause is None else PENDING, state=state, cause=cause, checks=CHECKS),
        attempt=Attempt(),
        overrides=UserOverrides(),
        receipt="",
        created_at=NOW,
        updated_at=NOW,
    )
    decisions = [
        Decision(KEY, NOW + timedelta(minutes=3), "asked", "`/extend 24h`", "ada"),
        Decision(KEY, NOW, "superseded", f"The head changed from {OLD[:7]} to {NEW[:7]}."),
        Decision(KEY, NOW - timedelta(hours=1), "waiting", HOSTILE, HOSTILE),
    ]
    stuck = ScheduledWork(False, NOW, 2, "GitHub answered 502 to GET /repos/acme/shop/pulls/7.")
    return environment_view(environment, decisions, stuck if cause else None, NOW)


def _account(
    preview: EnvironmentView | None, pipeline: PipelineView | None = None, stage: StageView | None = None
) -> StatusAnswer:
    return StatusAnswer(7, preview, pipeline or PipelineView(), stage)


ASKED = Outcome(Result.ACCEPTED, Verb.PREVIEW, role=Role.WRITE, head=NEW)
CRASHED = StatusMessage("The container web of Deployment shop exits with 1 as soon as it starts.", LOG)

STAGE_NAMES = ("integration", "security", "staging", "production")
STATUS, WHY = Outcome(Result.REPORTED, Verb.STATUS), Outcome(Result.REPORTED, Verb.WHY)

ANSWERS: Mapping[str, tuple[Outcome, StatusAnswer | None]] = {
    "preview": (ASKED, None),
    "preview-of-a-fork": (replace(ASKED, fork=True), None),
    "preview-already": (replace(ASKED, result=Result.ALREADY), None),
    "preview-disabled": (
        replace(
            ASKED,
            result=Result.DISABLED,
            reason="No preview for a draft (`preview.skip.drafts`). Mark it as ready for review to get one.",
        ),
        None,
    ),
    "refresh": (replace(ASKED, verb=Verb.REFRESH), None),
    "sleep": (replace(ASKED, verb=Verb.SLEEP), None),
    "sleep-already": (replace(ASKED, verb=Verb.SLEEP, result=Result.ALREADY), None),
    "extend": (replace(ASKED, verb=Verb.EXTEND, until=NOW + timedelta(days=1)), None),
    "extend-longest": (
        replace(ASKED, verb=Verb.EXTEND, result=Result.MAXIMUM, until=NOW + timedelta(days=14)),
        None,
    ),
    "destroy-and-more": (replace(ASKED, verb=Verb.DESTROY, ignored=2), None),
    "reseed": (replace(ASKED, verb=Verb.RESEED), None),
    "reseed-without-a-preview": (replace(ASKED, verb=Verb.RESEED, result=Result.NO_PREVIEW), None),
    "closed": (replace(ASKED, result=Result.CLOSED), None),
    "overtaken": (replace(ASKED, verb=Verb.DESTROY, result=Result.OVERTAKEN), None),
    "moved": (replace(ASKED, result=Result.MOVED, seen=OLD), None),
    "unseen": (replace(ASKED, result=Result.UNSEEN), None),
    **{
        f"stage-{verb.removeprefix('/')}": (Outcome(Result.DONE, verb, stage="staging", head=NEW), None)
        for verb in sorted(STAGE_VERBS - {Verb.PROMOTE})
    },
    "stage-skipped-analysis": (Outcome(Result.SKIPPED, Verb.PROMOTE, stage="production"), None),
    "stage-lock": (
        Outcome(
            Result.DONE, Verb.LOCK, stage="staging", until=NOW + timedelta(hours=2), length=timedelta(hours=2)
        ),
        None,
    ),
    "stage-approve": (Outcome(Result.DONE, Verb.APPROVE, stage="staging", release=release()), None),
    "stage-approve-of-another-release": (
        Outcome(
            Result.REFUSED,
            Verb.APPROVE,
            reason=describe(ApprovalForOther("production", release(), "4a5b6c7")),
        ),
        None,
    ),
    "stage-approve-too-old": (
        Outcome(Result.REFUSED, Verb.APPROVE, reason=describe(ApprovalForOther("production", release()))),
        None,
    ),
    "stage-refused": (Outcome(Result.REFUSED, Verb.APPROVE, reason=f"There is no stage {HOSTILE}."), None),
    "forbidden": (replace(ASKED, result=Result.FORBIDDEN, role=Role.READ), None),
    "edited": (Outcome(Result.EDITED), None),
    "too-many": (Outcome(Result.TOO_MANY), None),
    "extend-shortened": (
        replace(ASKED, verb=Verb.EXTEND, until=NOW + timedelta(days=14), maximum=timedelta(days=14)),
        None,
    ),
    "mistyped": (
        Outcome(
            Result.UNKNOWN,
            typed="/promot production",
            nearest=(Verb.PROMOTE,),
            corrected="/promote production",
            stages=STAGE_NAMES,
        ),
        None,
    ),
    "mistyped-without-a-stage": (
        Outcome(Result.UNKNOWN, typed="/promot", nearest=(Verb.PROMOTE,), stages=STAGE_NAMES),
        None,
    ),
    **{
        f"misused-{problem.replace(' ', '-')}": (
            Outcome(Result.MISUSED, verb, typed=typed, problem=problem, stages=STAGE_NAMES),
            None,
        )
        for problem, verb, typed in (
            (UsageProblem.STAGE_MISSING, Verb.PROMOTE, ""),
            (UsageProblem.DURATION_MISSING, Verb.EXTEND, ""),
            (UsageProblem.NO_DURATION, Verb.LOCK, "2x"),
            (UsageProblem.DURATION_TOO_SHORT, Verb.LOCK, "30s"),
            (UsageProblem.DURATION_MISPLACED, Verb.LOCK, "two hours"),
            (UsageProblem.NO_RELEASE, Verb.APPROVE, "latest"),
            (UsageProblem.NO_COMMIT, Verb.VOUCH, "abc"),
            (UsageProblem.UNEXPECTED, Verb.PREVIEW, HOSTILE),
            (UsageProblem.REASON_TOO_LONG, Verb.HOLD, ""),
        )
    },
    "misused-without-stages": (
        Outcome(Result.MISUSED, Verb.PROMOTE, problem=UsageProblem.STAGE_MISSING),
        None,
    ),
    "mistyped-with-hostile-words": (
        Outcome(Result.UNKNOWN, typed=f"/extend {HOSTILE}", nearest=(Verb.EXTEND,)),
        None,
    ),
    "help": (Outcome(Result.REPORTED, Verb.HELP, stages=STAGE_NAMES), None),
    "status": (STATUS, _account(_environment_view(EnvironmentState.READY))),
    "status-failed": (STATUS, _account(_environment_view(EnvironmentState.FAILED, CRASHED))),
    "status-unknown": (STATUS, _account(None)),
    "status-with-a-pipeline": (STATUS, _account(_environment_view(EnvironmentState.READY), stages.ALL)),
    "status-with-an-unread-pipeline": (STATUS, _account(None, stages.UNREAD)),
    "status-of-a-stage": (
        replace(STATUS, stage="production"),
        _account(None, stages.ALL, stages.PRODUCTION),
    ),
    "status-of-a-stage-in-progress": (
        replace(STATUS, stage="staging"),
        _account(None, stages.ALL, stages.STAGING),
    ),
    "status-of-an-empty-stage": (
        replace(STATUS, stage="security"),
        _account(None, stages.ALL, stages.UNTOUCHED),
    ),
    "status-of-a-demo": (
        replace(STATUS, stage="sales"),
        _account(None, stages.ALL, stages.DEMO),
    ),
    "status-of-a-demo-no-longer-configured": (
        replace(STATUS, stage="sales"),
        _account(None, stages.ALL, replace(stages.DEMO, configured=False)),
    ),
    "status-of-no-stage": (replace(STATUS, stage="stagin|<b>"), _account(None, stages.ALL)),
    "why": (WHY, _account(_environment_view(EnvironmentState.FAILED, CRASHED))),
    "why-with-promotions": (WHY, _account(_environment_view(EnvironmentState.READY), stages.ALL)),
    "why-of-a-stage": (replace(WHY, stage="production"), _account(None, stages.ALL, stages.PRODUCTION)),
    "why-of-a-stage-rolled-back": (
        replace(WHY, stage="production"),
        _account(None, stages.ALL, stages.FAILED_STAGE),
    ),
}

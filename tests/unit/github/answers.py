"""What a command can lead to, for the snapshots of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from bot.commands.outcome import Outcome, Result
from bot.commands.table import STAGING, Verb
from bot.model.environment import Attempt, Cause, Decision, Environment, EnvironmentState, Wishes
from bot.model.repository import Repository
from bot.model.role import Role
from bot.model.story import Story, tell
from bot.model.work import Scheduled
from tests.unit.github.scenes import CHECKS, HOSTILE, KEY, LOG, NEW, NOW, OLD, PENDING, READY

COMMENT = 2_811_000_417


def _story(state: EnvironmentState, cause: Cause | None = None) -> Story:
    environment = Environment(
        key=KEY,
        repository=Repository(KEY.repository_id, 20, "acme", "shop"),
        namespace="gr-shop-pr-7",
        generation=3,
        observed_generation=3,
        status=replace(READY if cause is None else PENDING, state=state, cause=cause, checks=CHECKS),
        attempt=Attempt(),
        wishes=Wishes(),
        receipt="",
        created_at=NOW,
        updated_at=NOW,
    )
    decisions = [
        Decision(KEY, NOW + timedelta(minutes=3), "asked", "`/extend 24h`", "ada"),
        Decision(KEY, NOW, "superseded", f"{OLD[:7]} → {NEW[:7]}"),
        Decision(KEY, NOW - timedelta(hours=1), "waiting", HOSTILE, HOSTILE),
    ]
    stuck = Scheduled(False, NOW, 2, "GitHub answered 502 to GET /repos/acme/shop/pulls/7.")
    return tell(environment, decisions, stuck if cause else None, NOW)


ASKED = Outcome(Result.ASKED, Verb.PREVIEW, role=Role.WRITE, head=NEW)
CRASHED = Cause("The container web of Deployment shop exits with 1 as soon as it starts.", LOG)

ANSWERS: Mapping[str, tuple[Outcome, Story | None]] = {
    "preview": (ASKED, None),
    "preview-of-a-fork": (replace(ASKED, fork=True), None),
    "preview-already": (replace(ASKED, result=Result.ALREADY), None),
    "preview-unwanted": (
        replace(
            ASKED,
            result=Result.UNWANTED,
            why="No preview for a draft (`preview.skip.drafts`). Mark it as ready for review to get one.",
        ),
        None,
    ),
    "refresh": (replace(ASKED, verb=Verb.REFRESH), None),
    "sleep": (replace(ASKED, verb=Verb.SLEEP), None),
    "sleep-already": (replace(ASKED, verb=Verb.SLEEP, result=Result.ALREADY), None),
    "extend": (replace(ASKED, verb=Verb.EXTEND, until=NOW + timedelta(days=1)), None),
    "extend-longest": (
        replace(ASKED, verb=Verb.EXTEND, result=Result.LONGEST, until=NOW + timedelta(days=14)),
        None,
    ),
    "destroy-and-more": (replace(ASKED, verb=Verb.DESTROY, more=2), None),
    "reseed": (replace(ASKED, verb=Verb.RESEED), None),
    "reseed-nothing": (replace(ASKED, verb=Verb.RESEED, result=Result.NOTHING), None),
    "closed": (replace(ASKED, result=Result.CLOSED), None),
    "overtaken": (replace(ASKED, verb=Verb.DESTROY, result=Result.OVERTAKEN), None),
    "moved": (replace(ASKED, result=Result.MOVED, seen=OLD), None),
    "unseen": (replace(ASKED, result=Result.UNSEEN), None),
    **{
        f"stage-{verb.removeprefix('/')}": (Outcome(Result.DONE, verb, stage="staging"), None)
        for verb in sorted(STAGING - {Verb.PROMOTE})
    },
    "stage-refused": (Outcome(Result.REFUSED, Verb.APPROVE, why=f"There is no stage {HOSTILE}."), None),
    "forbidden": (replace(ASKED, result=Result.FORBIDDEN, role=Role.READ), None),
    "edited": (Outcome(Result.EDITED), None),
    "mistyped": (Outcome(Result.MISTYPED, typed="/prevew", nearest=(Verb.PREVIEW, Verb.REFRESH)), None),
    "mistyped-with-hostile-words": (Outcome(Result.MISTYPED, typed=f"/extend {HOSTILE}"), None),
    "help": (Outcome(Result.TOLD, Verb.HELP), None),
    "status": (Outcome(Result.TOLD, Verb.STATUS), _story(EnvironmentState.READY)),
    "status-failed": (Outcome(Result.TOLD, Verb.STATUS), _story(EnvironmentState.FAILED, CRASHED)),
    "status-unknown": (Outcome(Result.TOLD, Verb.STATUS), None),
    "why": (Outcome(Result.TOLD, Verb.WHY), _story(EnvironmentState.FAILED, CRASHED)),
}

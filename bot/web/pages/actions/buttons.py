"""The commands that pages offer as buttons, and when. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from bot.commands.table import Verb, allowed
from bot.model.environment import EndReason, Environment, EnvironmentKey, EnvironmentState
from bot.model.promotion import PENDING
from bot.model.role import Role
from bot.promotions.views import PendingPromotion, StageView


@dataclass(frozen=True, slots=True)
class Entry:
    label: str
    consequence: str
    """Shown on the confirmation."""
    deletes: bool = False
    """Whether it ends or deletes something."""
    takes: str = ""
    """The field of the form: `duration` or `reason`."""


BUTTONS: Mapping[Verb, Entry] = {
    Verb.PREVIEW: Entry("Deploy", "The preview is deployed."),
    Verb.REFRESH: Entry("Re-run", "The same commit is deployed again, and its checks run again."),
    Verb.SLEEP: Entry("Sleep", "The workloads stop. The data stays."),
    Verb.WAKE: Entry("Wake", "The workloads start again, with the data that the preview had."),
    Verb.EXTEND: Entry(
        "Extend", "The preview expires later, up to the operator's maximum.", takes="duration"
    ),
    Verb.DESTROY: Entry("Destroy", "The preview and its data are deleted.", deletes=True),
    Verb.PROMOTE: Entry("Promote", "The release is deployed to the stage when its requirements pass."),
    Verb.ROLLBACK: Entry(
        "Roll back",
        "The stage returns to its previous verified release. A promotion that is not finished is aborted. "
        "Automatic promotions stay blocked until the hold is lifted.",
        deletes=True,
    ),
    Verb.APPROVE: Entry(
        "Approve", "You approve this release for this stage. The approval is valid for 24 hours."
    ),
    Verb.REJECT: Entry(
        "Reject", "The promotion ends. The stage stays as it is.", deletes=True, takes="reason"
    ),
    Verb.PAUSE: Entry("Pause", "The promotion stops before its next step until it is resumed."),
    Verb.RESUME: Entry("Resume", "The paused promotion continues."),
    Verb.ABORT: Entry(
        "Abort", "The promotion ends, and its changes to the stage are undone.", deletes=True, takes="reason"
    ),
    Verb.UNHOLD: Entry("Lift the hold", "Automatic promotions to the stage are allowed again."),
    Verb.UNLOCK: Entry("Unlock", "Others can change the stage again."),
}


@dataclass(frozen=True, slots=True)
class Button:
    """A link to the confirmation of a command."""

    verb: Verb
    label: str
    path: str
    deletes: bool


_BY_STATE: Mapping[EnvironmentState, Sequence[Verb]] = {
    EnvironmentState.READY: (Verb.EXTEND, Verb.REFRESH, Verb.SLEEP, Verb.DESTROY),
    EnvironmentState.CHECKS_FAILED: (Verb.REFRESH, Verb.EXTEND, Verb.SLEEP, Verb.DESTROY),
    EnvironmentState.FAILED: (Verb.REFRESH, Verb.EXTEND, Verb.DESTROY),
    EnvironmentState.PENDING: (Verb.DESTROY,),
    EnvironmentState.WAITING: (Verb.REFRESH, Verb.DESTROY),
    EnvironmentState.ASLEEP: (Verb.WAKE, Verb.EXTEND, Verb.DESTROY),
}
_DEPLOYABLE = (EndReason.FORK, EndReason.EXPIRED, EndReason.DESTROYED)


def preview_buttons(
    environment: Environment, stages: Sequence[str], role: Role, login: str
) -> Sequence[Button]:
    """Buttons of a preview, in the order of their use. `stages` are those to which it can be promoted."""
    pull, status = environment.attempt.pull_request, environment.status
    if pull is None or not pull.open:
        return ()
    fork_author = pull.from_fork and pull.author.lower() == login.lower()
    verbs = _BY_STATE.get(status.state, ())
    if status.end in _DEPLOYABLE and status.state is not EnvironmentState.DELETING:
        verbs = (Verb.PREVIEW,)
    buttons = [
        button(verb, environment.key) for verb in verbs if allowed(verb, role, fork_author=fork_author)
    ]
    if status.state is EnvironmentState.READY and allowed(Verb.PROMOTE, role, fork_author=False):
        promote = [button(Verb.PROMOTE, environment.key, f"Promote to {to}", to=to) for to in stages[:1]]
        return (*promote, *buttons)
    return tuple(buttons)


def stage_buttons(stage: StageView, role: Role, approvable: Collection[str]) -> Sequence[Button]:
    """Buttons of a stage, in the order of their use; `approvable`: promotions that the user can approve."""
    buttons = _stage_buttons(stage, approvable)
    return tuple(button for button in buttons if allowed(button.verb, role, fork_author=False))


def _stage_buttons(stage: StageView, approvable: Collection[str]) -> Iterator[Button]:
    for pending in stage.pending_promotions:
        if pending.promotion.release is not None and pending.promotion.id in approvable:
            yield button(Verb.APPROVE, stage.key, promotion=pending.promotion.id)
        yield from _promotion_buttons(stage.key, pending)
    if stage.verified_at is not None and stage.active is None:
        for following in stage.followed_by:
            yield button(Verb.PROMOTE, stage.key, f"Promote to {following}", to=following)
    if stage.pin is None and (stage.active is not None or stage.rollback_target is not None):
        yield button(Verb.ROLLBACK, stage.key)
    if stage.hold is not None:
        yield button(Verb.UNHOLD, stage.key)
    if stage.lock is not None:
        yield button(Verb.UNLOCK, stage.key)


def _promotion_buttons(key: EnvironmentKey, pending: PendingPromotion) -> Iterator[Button]:
    promotion = pending.promotion
    if promotion.state in PENDING:
        yield button(Verb.REJECT, key, promotion=promotion.id)
    yield button(Verb.RESUME if promotion.paused_by else Verb.PAUSE, key, promotion=promotion.id)
    yield button(Verb.ABORT, key, promotion=promotion.id)


def button(verb: Verb, key: EnvironmentKey, label: str = "", **parameters: str) -> Button:
    entry = BUTTONS[verb]
    path = f"/actions/{slug(verb)}/{key}"
    query = f"?{urlencode(parameters)}" if parameters else ""
    return Button(verb, label or entry.label, f"{path}{query}", entry.deletes)


def slug(verb: Verb) -> str:
    """The verb in an address: `preview-refresh`."""
    return verb.strip("/").replace(" ", "-")


VERBS_BY_SLUG: Mapping[str, Verb] = {slug(verb): verb for verb in BUTTONS}

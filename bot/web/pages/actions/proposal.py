"""What a button proposes at this moment: the command, and what it applies to. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.commands.table import Verb
from bot.github.messages.infrastructure import plan
from bot.github.messages.stage_summary import state_label
from bot.model.environment import Environment, EnvironmentKind
from bot.model.promotion import Promotion, VerifiedTarget
from bot.model.release import PromotableRelease
from bot.model.repository import Repository
from bot.promotions.views import StageView

Facts = tuple[tuple[str, str], ...]
_STAGE = re.compile(r"[a-z][a-z0-9-]{0,62}")
"""One word: an address cannot add a release, which the confirmation would not show, to the command."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A command that a user can confirm."""

    verb: Verb
    repository: Repository
    number: int
    """The pull request that gets the answer."""
    words: tuple[str, ...]
    facts: Facts
    """Names and values that the confirmation shows."""
    binding: str
    """Identifies what was shown: a confirmation is valid while this is the same."""

    def text(self, argument: str = "") -> str:
        """The command line, with what the user entered."""
        return " ".join([self.verb, *self.words, *argument.split()])


def preview_proposal(verb: Verb, environment: Environment, head: str, stage: str) -> Proposal | str:
    """The proposal, or why it is not possible. `head` is that of the pull request."""
    if environment.key.kind is not EnvironmentKind.PREVIEW:
        return "This action is available for previews only."
    number = int(environment.key.name)
    facts: Facts = (("Preview", f"{environment.repository.full_name}#{number}"),)
    if verb is Verb.PROMOTE:
        if not _STAGE.fullmatch(stage):
            return "The address names no stage."
        facts = (
            ("Stage", stage),
            ("Release", f"the build of {head[:7]}, from pull request #{number}"),
        )
    else:
        facts = (*facts, ("Commit", head[:7]), ("State", environment.status.state.value))
    words = (stage,) if verb is Verb.PROMOTE else ()
    return Proposal(verb, environment.repository, number, words, facts, head)


def stage_proposal(  # one case per verb
    verb: Verb, stage: StageView, repository: Repository, promotion_id: str, to: str
) -> Proposal | str:
    """The proposal, or why it is not possible."""
    match verb:
        case Verb.APPROVE | Verb.REJECT | Verb.PAUSE | Verb.RESUME | Verb.ABORT:
            pending = next(
                (item for item in stage.pending_promotions if item.promotion.id == promotion_id), None
            )
            if pending is None:
                return f"This promotion to {stage.name} has ended."
            return _of_promotion(verb, stage, repository, pending.promotion)
        case Verb.PROMOTE:
            if stage.release is None or to not in stage.followed_by:
                return f"{stage.name} has no release that can be promoted to {to or 'another stage'}."
            facts: Facts = (("Stage", to), ("Release", describe(stage.release)), ("Verified on", stage.name))
            words = (to, stage.release.id)
            return _placed(verb, repository, stage.release.number, words, facts, stage.release.id)
        case Verb.ROLLBACK:
            return _rollback(stage, repository)
        case Verb.UNHOLD | Verb.UNLOCK:
            facts = (("Stage", stage.name), *_running(stage))
            binding = f"{stage.hold} {stage.lock}"
            return _placed(verb, repository, _number(stage), (stage.name,), facts, binding)
        case _:
            return "This action is available for previews only."


def _of_promotion(
    verb: Verb, stage: StageView, repository: Repository, promotion: Promotion
) -> Proposal | str:
    release, planned = promotion.release, promotion.plan
    if verb is Verb.APPROVE and release is None:
        return "The release of this promotion is not known yet."
    words = (stage.name, release.id) if verb is Verb.APPROVE and release is not None else (stage.name,)
    facts: Facts = (
        ("Stage", stage.name),
        ("Release", describe(release) if release is not None else "not known yet"),
        (
            "Promotion",
            f"{state_label(promotion.state)}, requested by {promotion.requested_by or 'the pipeline'}",
        ),
        *((("Terraform plan", f"{planned.id}: {plan(planned.summary)}"),) if planned is not None else ()),
        *_running(stage),
    )
    number = promotion.number or (release.number if release is not None else None)
    content = f"{promotion.id} {release.id if release else ''} {promotion.configuration_digest}"
    content += f" {planned.digest}" if planned is not None else ""
    return _placed(verb, repository, number, words, facts, f"{content} {bool(promotion.paused_by)}")


def _rollback(stage: StageView, repository: Repository) -> Proposal | str:
    back = stage.rollback_target
    if stage.active is None and back is None:
        return f"{stage.name} has no earlier verified release."
    unfinished = stage.active.promotion if stage.active is not None else None
    facts: Facts = (("Stage", stage.name), *_running(stage))
    if unfinished is not None:
        facts = (*facts, ("Aborted", f"the promotion that is {unfinished.state}"))
    elif back is not None:
        facts = (*facts, ("Returns to", _returns_to(back, stage.release)))
    number = (unfinished.number if unfinished is not None else None) or _number(stage)
    target = back.promotion if back is not None else ""
    binding = f"{stage.release.id if stage.release else ''} {target} {unfinished.id if unfinished else ''}"
    return _placed(Verb.ROLLBACK, repository, number, (stage.name,), facts, binding)


def _returns_to(back: VerifiedTarget, present: PromotableRelease | None) -> str:
    text = describe(back.target.release)
    same = present is not None and present.id == back.target.release.id
    return f"{text}, with its configuration before the last change" if same else text


def _placed(
    verb: Verb,
    repository: Repository,
    number: int | None,
    words: tuple[str, ...],
    facts: Facts,
    binding: str,
) -> Proposal | str:
    if number is None:
        return "No pull request belongs to it: use the command in a comment on any pull request."
    return Proposal(verb, repository, number, words, facts, binding)


def _number(stage: StageView) -> int | None:
    """A pull request of the stage's release or of its last promotions."""
    releases = [stage.release, *(entry.target.release for entry in stage.verified)]
    numbers = [release.number for release in releases if release is not None]
    numbers += [promotion.number for promotion in stage.promotions]
    return next((number for number in numbers if number is not None), None)


def _running(stage: StageView) -> Facts:
    return (("Runs now", describe(stage.running)),) if stage.running is not None else ()


def describe(release: PromotableRelease) -> str:
    """Such as `0123456789ab of abcdef0, from pull request #7`."""
    source = f", from pull request #{release.number}" if release.number is not None else ""
    return f"{release.id} of {release.commit[:7]}{source}"

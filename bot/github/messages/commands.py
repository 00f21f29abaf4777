"""Answers to commands. Pure; see tests/snapshots/answer-*.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from bot.commands.grammar import MAX_COMMANDS, REASON_WORDS, UsageProblem
from bot.commands.outcome import Outcome, Result, StatusAnswer
from bot.commands.table import COMMANDS, StageVerb, Verb, required_role
from bot.github.messages import stages
from bot.github.messages.drift import answer_text
from bot.github.messages.gate_reasons import join
from bot.github.messages.markdown import (
    bullet_list,
    code,
    plain,
    sentence,
    timestamp,
)
from bot.github.messages.preview_status import preview_decisions, preview_status
from bot.github.messages.sleep_reasons import SLEEP_ACCEPTED, SLEEP_ALREADY
from bot.model.command import PageCommand
from bot.model.durations import format_duration

_NO_PREVIEW = "This pull request has no preview. `/preview` deploys one."


def command_marker(comment_id: int) -> str:
    """Identifies the answered comment. No proof of authorship: anybody can write it."""
    return f"<!-- greenroom command {comment_id} -->"


def answer(
    outcome: Outcome, status: StatusAnswer | None, comment_id: int, page: PageCommand | None = None
) -> str:
    """The answer's body. `status` is needed for `/status` and `/why` only."""
    given = [f"{code(page.by.login)} ran {code(page.text)} on a page of Greenroom."] if page else []
    if outcome.result is Result.REPORTED:
        paragraphs = _report(outcome, status)
    else:
        paragraphs = [_SENTENCES[outcome.result](outcome)]
    if outcome.ignored:
        others = "the other one was" if outcome.ignored == 1 else f"the other {outcome.ignored} were"
        paragraphs.append(f"Only the first command of a comment is executed; {others} ignored.")
    return "\n\n".join([*given, *paragraphs, command_marker(comment_id)])


def result_text(outcome: Outcome) -> str:
    """One paragraph about a command that was run on a page."""
    return _SENTENCES[outcome.result](outcome) if outcome.result in _SENTENCES else ""


def _accepted(outcome: Outcome) -> str:
    head = _short(outcome.head)
    match outcome.verb:
        case Verb.PREVIEW if outcome.fork:
            return f"🚀 Approved {head} of the fork; deploying its preview. A push revokes the approval."
        case Verb.PREVIEW | None:
            return f"🚀 Deploying the preview of {head}."
        case Verb.REFRESH:
            return f"🔄 Redeploying {head} and re-running the checks."
        case Verb.SLEEP | Verb.WAKE:
            return SLEEP_ACCEPTED[outcome.verb]
        case Verb.EXTEND:
            return _extended(outcome)
        case Verb.DESTROY:
            return "🧹 Deleting the preview and its data. `/preview` deploys it again."
        case Verb.RESEED:
            return "🌱 Resetting the data to the seed."
        case Verb.DRIFT | Verb.STATUS | Verb.WHY | Verb.HELP:
            return ""  # reported instead
        case _:
            return _done(outcome, outcome.verb)


def _extended(outcome: Outcome) -> str:
    until = timestamp(outcome.until) if outcome.until is not None else ""
    expires = f"⏱️ The preview now expires on {until}."
    if outcome.maximum is None:
        return expires
    return f"{expires} That is the maximum, {format_duration(outcome.maximum)} from now."


def _already(outcome: Outcome) -> str:
    if outcome.verb in SLEEP_ALREADY:
        return SLEEP_ALREADY[outcome.verb]
    return (
        "The preview is already requested; its comment above shows the status. "
        "`/preview refresh` redeploys it."
    )


def _no_preview(_: Outcome) -> str:
    return _NO_PREVIEW


def _disabled(outcome: Outcome) -> str:
    return f"{_name(outcome)} was not executed. {plain(outcome.reason)}"


def _maximum(outcome: Outcome) -> str:
    if outcome.until is None:
        return "The preview already has the maximum lifetime."
    longest = f", {format_duration(outcome.maximum)} from now" if outcome.maximum is not None else ""
    return f"The preview already expires on {timestamp(outcome.until)}, which is the maximum{longest}."


def _closed(_: Outcome) -> str:
    return "The pull request is closed, so it has no preview. Reopen it to deploy the preview again."


def _overtaken(outcome: Outcome) -> str:
    return (
        f"{_name(outcome)} was not executed: a later command was executed first. "
        "Repeat the command if you still want it."
    )


def _skipped(outcome: Outcome) -> str:
    stage = code(outcome.stage)
    return f"⏩ Skipping the remaining analysis of the rollout on {stage}: its last step is next."


def _moved(outcome: Outcome) -> str:
    return (
        f"⚠️ {_name(outcome)} was not executed: it refers to {_short(outcome.seen)}, but the head is now "
        f"{_short(outcome.head)}. Review the new commit, then repeat the command."
    )


def _unseen(outcome: Outcome) -> str:
    return (
        f"⚠️ {_name(outcome)} was not executed: the head changed while you typed. "
        f"Review {_short(outcome.head)}, then repeat the command to run it for that commit."
    )


def _done(outcome: Outcome, verb: StageVerb) -> str:  # noqa: C901  # one case per verb
    stage = code(outcome.stage)
    until = f" until {timestamp(outcome.until)}" if outcome.until is not None else ""
    match verb:
        case Verb.PROMOTE | Verb.REPLACE:
            return f"🚀 Requested the promotion to {stage}."
        case Verb.ROLLBACK:
            return f"↩️ Rolling back the unfinished promotion to {stage}."
        case Verb.APPROVE:
            release = outcome.release
            if release is None:
                return f"👍 Approved the promotion to {stage}."
            return f"👍 Approved release {code(release.id)} ({code(release.commit[:7])}) for {stage}."
        case Verb.REJECT:
            promote = code(f"/promote {outcome.stage}")
            return f"⛔ Rejected the promotion to {stage}. {promote} requests it again."
        case Verb.ABORT:
            return f"🛑 Aborted the promotion to {stage}. Its comment shows what happens to the stage."
        case Verb.PAUSE:
            return f"⏸️ Paused the promotion to {stage}. {_command('/resume', outcome)} continues it."
        case Verb.RESUME:
            return f"▶️ Resumed the promotion to {stage}."
        case Verb.VOUCH:
            text = f"✍️ You vouch for {_short(outcome.head)} and the commits before it"
            return (
                f"{text}. You count as one of their authors: your reviews and approvals of them do not count."
            )
        case Verb.LOCK:
            length = f" for {format_duration(outcome.length)}" if outcome.length is not None else ""
            locked = f"🔒 Locked {stage} for you{length},{until}"
            return f"{locked}. {_command('/unlock', outcome)} releases the lock."
        case Verb.UNLOCK:
            return f"🔓 Unlocked {stage}."
        case Verb.HOLD:
            return f"✋ Blocked automatic promotions to {stage}. {_command('/unhold', outcome)} allows them."
        case Verb.UNHOLD:
            return f"▶️ Automatic promotions to {stage} are allowed again."
    assert_never(verb)


def _refused(outcome: Outcome) -> str:
    return f"⛔ {_name(outcome)} was not executed. {plain(sentence(outcome.reason))}"


def _forbidden(outcome: Outcome) -> str:
    role = required_role(outcome.verb or Verb.HELP)
    text = f"🚫 {_name(outcome)} requires the role {code(role)}; you have {code(outcome.role)}."
    return f"{text} Ask a user with that role to post it."


def _unknown(outcome: Outcome) -> str:
    unknown = f"Unknown command {code(outcome.typed)}."
    if outcome.corrected:
        return f"{unknown} Did you mean {code(outcome.corrected)}?"
    if not outcome.nearest:
        return f"{unknown} `/help` lists the commands."
    return f"{unknown} {bullet_list(_examples(outcome, outcome.nearest), 'Did you mean:')}"


def _misused(outcome: Outcome) -> str:
    verb = outcome.verb or Verb.HELP
    family = [other for other in Verb if other.split()[0] == verb]
    if len(family) > 1:
        return f"{_usage_problem(outcome)} {bullet_list(_examples(outcome, family), 'Did you mean:')}"
    stages = (outcome.stage, *outcome.stages) if outcome.stage else outcome.stages
    usage = _example(replace(outcome, stages=stages), verb)
    usage += " RELEASE" * (outcome.problem is UsageProblem.NO_RELEASE)
    usage += " COMMIT" * (outcome.problem is UsageProblem.NO_COMMIT)
    return f"{_usage_problem(outcome)} Usage: {code(usage)}"


def _usage_problem(outcome: Outcome) -> str:
    name, typed, stages = _name(outcome), code(outcome.typed), [plain(stage) for stage in outcome.stages]
    match outcome.problem:
        case UsageProblem.STAGE_MISSING:
            return f"{name} needs a stage: {join(stages, 'or')}." if stages else f"{name} needs a stage."
        case UsageProblem.DURATION_MISSING:
            return f"{name} needs a duration: {_DURATIONS}."
        case UsageProblem.NO_DURATION:
            return f"{typed} is not a duration. {name} takes {_DURATIONS}."
        case UsageProblem.DURATION_TOO_SHORT:
            return f"{typed} is too short: at least `1m`."
        case UsageProblem.DURATION_MISPLACED:
            return f"{typed} in the reason may be a duration. {name} takes {_DURATIONS} after the stage."
        case UsageProblem.NO_RELEASE:
            return f"{typed} is not a release: give its id, or at least 7 digits of its commit."
        case UsageProblem.NO_COMMIT:
            return f"{typed} is not a full commit SHA."
        case UsageProblem.REASON_TOO_LONG:
            return f"The reason of {name} has more than {REASON_WORDS} words. Shorten it."
        case UsageProblem.UNEXPECTED | None:
            return f"{name} does not take {typed}."
    assert_never(outcome.problem)


_DURATIONS = "whole minutes, hours or days, such as `90m`, `24h` or `3d`"


def _examples(outcome: Outcome, verbs: Sequence[Verb]) -> list[str]:
    return [f"{code(_example(outcome, verb))} {COMMANDS[verb].does}" for verb in verbs]


def _example(outcome: Outcome, verb: Verb) -> str:
    return COMMANDS[verb].example(next(iter(outcome.stages), ""))


def _too_many(_: Outcome) -> str:
    return (
        f"More than {MAX_COMMANDS} lines of the comment begin with `/`, so no command was executed. "
        "Post the command in a comment of its own."
    )


def _edited(_: Outcome) -> str:
    return (
        "The comment was edited before it was processed, so no command was executed. "
        "Post the command in a new comment."
    )


_SENTENCES: Mapping[Result, Callable[[Outcome], str]] = {
    Result.ACCEPTED: _accepted,
    Result.ALREADY: _already,
    Result.NO_PREVIEW: _no_preview,
    Result.DISABLED: _disabled,
    Result.MAXIMUM: _maximum,
    Result.CLOSED: _closed,
    Result.OVERTAKEN: _overtaken,
    Result.MOVED: _moved,
    Result.UNSEEN: _unseen,
    Result.DONE: _accepted,
    Result.SKIPPED: _skipped,
    Result.REFUSED: _refused,
    Result.FORBIDDEN: _forbidden,
    Result.UNKNOWN: _unknown,
    Result.TOO_MANY: _too_many,
    Result.MISUSED: _misused,
    Result.EDITED: _edited,
}


def _report(outcome: Outcome, status: StatusAnswer | None) -> list[str]:
    """The answer to `/help`, `/status`, `/why` or `/drift`."""
    if status is None:
        return [_help(outcome)]
    is_why, preview, stage = outcome.verb is Verb.WHY, status.preview, status.stage
    if stage is not None and outcome.verb is Verb.DRIFT:
        return [answer_text(stage.name, stage.drift)]
    if stage is not None:
        return stages.decisions(stage) if is_why else stages.status(stage)
    if outcome.stage:
        return stages.unknown(status, outcome.stage)
    if is_why:
        about_preview = [_NO_PREVIEW] if preview is None else preview_decisions(preview)
        return [*about_preview, *stages.pending_from(status)]
    about_preview = [_NO_PREVIEW] if preview is None else preview_status(preview)
    return [*about_preview, *stages.pipeline(status)]


def _help(outcome: Outcome) -> str:
    rows = [f"| {code(_example(outcome, verb))} | {entry.does} |" for verb, entry in COMMANDS.items()]
    table = "\n".join(["| Command | Effect |", "|---|---|", *rows])
    stage = next(iter(outcome.stages), "STAGE")
    return f"{table}\n\n{code(f'/status {stage}')} and {code(f'/why {stage}')} show one stage in detail."


def _name(outcome: Outcome) -> str:
    return code(outcome.verb or "")


def _command(name: str, outcome: Outcome) -> str:
    return code(f"{name} {outcome.stage}")


def _short(sha: str | None) -> str:
    return code((sha or "unknown")[:7])

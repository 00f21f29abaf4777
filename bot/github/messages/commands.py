"""What commands are answered: pure functions of what became of them. See tests/snapshots/."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.commands.outcome import Outcome, Result, StatusAnswer
from bot.commands.table import COMMANDS, Verb, required_role
from bot.environments.views import EnvironmentView
from bot.github.messages import stages as texts_stages
from bot.github.messages.environment import link, short_digest, time
from bot.github.messages.markdown import block, code, plain
from bot.model.environment import Decision

_DECISIONS = 10
_DETAIL = 4_000


def command_marker(comment_id: int) -> str:
    """Tells which comment is answered. It proves nothing: anybody can write it."""
    return f"<!-- greenroom command {comment_id} -->"


def answer(outcome: Outcome, account: StatusAnswer | None, comment_id: int) -> str:
    """`account` is what there is to tell; only `/status` and `/why` need it."""
    told = outcome.result is Result.REPORTED
    said = _told(outcome, account) if told else [_SENTENCES[outcome.result](outcome)]
    if outcome.ignored:
        others = "the other one was" if outcome.ignored == 1 else f"the other {outcome.ignored} were"
        said.append(f"A comment runs one command, the first in it: {others} not run.")
    return "\n\n".join([*said, command_marker(comment_id)])


def _asked(outcome: Outcome) -> str:
    head = code((outcome.head or "unknown")[:7])
    if outcome.verb is Verb.PREVIEW and outcome.fork:
        return f"🚀 {head} may run, and the preview is being brought up. A push takes the permission away."
    until = time(outcome.until) if outcome.until is not None else ""
    return {
        Verb.PREVIEW: f"🚀 The preview of {head} is being brought up.",
        Verb.REFRESH: f"🔄 {head} is being rolled out and checked once more.",
        Verb.SLEEP: "😴 The preview goes to sleep: nothing runs, the data stays. `/preview` wakes it.",
        Verb.EXTEND: f"⏱️ The preview is kept until {until}.",
        Verb.DESTROY: "🧹 The preview is being taken away with its data. `/preview` brings it back.",
        Verb.RESEED: "🌱 The data is being reset to what the seed makes.",
    }[outcome.verb or Verb.PREVIEW]


def _already(outcome: Outcome) -> str:
    if outcome.verb is Verb.SLEEP:
        return "The preview sleeps already. `/preview` wakes it."
    return (
        "Nothing keeps the preview away, so there is nothing to do: the comment about it tells how it is. "
        "`/preview refresh` rolls it out once more."
    )


def _nothing(_: Outcome) -> str:
    return "There is no preview here that this could be done to. `/preview` brings one up."


def _unwanted(outcome: Outcome) -> str:
    return f"There is no preview to bring up. {plain(outcome.reason)}"


def _longest(outcome: Outcome) -> str:
    until = f" until {time(outcome.until)}" if outcome.until is not None else ""
    return f"The preview is kept{until} already, which is as long as the operator allows."


def _closed(_: Outcome) -> str:
    return "The pull request is not open, so it has no preview. Reopening it brings the preview back."


def _overtaken(outcome: Outcome) -> str:
    return (
        f"{_name(outcome)} was not carried out: a command that was typed later was there before it, "
        "and the last word counts."
    )


def _moved(outcome: Outcome) -> str:
    return (
        f"⚠️ {_name(outcome)} was not carried out: it was meant for {code(outcome.seen or '')}, but the head "
        f"is {code(outcome.head or '')} by now. Look at it, and type the command again if you mean it."
    )


def _unseen(outcome: Outcome) -> str:
    return (
        f"⚠️ {_name(outcome)} was not carried out: {code(outcome.head or '')} was not known to be the head "
        "when your comment was written, so it is not certain that you saw it. Type the command again if "
        "you mean that commit."
    )


def _done(outcome: Outcome) -> str:
    stage = code(outcome.stage)
    until = f" until {time(outcome.until)}" if outcome.until is not None else ""
    return {
        Verb.ROLLBACK: f"↩️ What was on its way to {stage} is taken back.",
        Verb.APPROVE: f"👍 Approved for {stage}.",
        Verb.REJECT: f"⛔ Rejected for {stage}.",
        Verb.ABORT: f"🛑 The promotion to {stage} is ended; its comment tells what becomes of the stage.",
        Verb.PAUSE: f"⏸️ The promotion to {stage} goes no further until somebody resumes it.",
        Verb.RESUME: f"▶️ The promotion to {stage} goes on.",
        Verb.LOCK: f"🔒 {stage} is yours{until}. {code(f'/unlock {outcome.stage}')} ends that.",
        Verb.UNLOCK: f"🔓 {stage} is free.",
        Verb.HOLD: f"✋ Nothing automatic moves {stage} until somebody lifts the hold.",
        Verb.UNHOLD: f"▶️ The pipeline may move {stage} again.",
    }[outcome.verb or Verb.ROLLBACK]


def _refused(outcome: Outcome) -> str:
    return f"⛔ {_name(outcome)} was not carried out. {plain(outcome.reason)}"


def _forbidden(outcome: Outcome) -> str:
    role = required_role(outcome.verb or Verb.HELP)
    return f"🚫 {_name(outcome)} needs the role {code(role)} here; yours is {code(outcome.role)}."


def _mistyped(outcome: Outcome) -> str:
    typed = code(outcome.typed)
    meant = [f"- {code(COMMANDS[verb].usage)} {COMMANDS[verb].does}" for verb in outcome.nearest]
    return "\n".join([f"{typed} is no command. Did you mean this?", "", *meant])


def _edited(_: Outcome) -> str:
    return (
        "The comment was edited before it was read, so nothing was carried out. "
        "Type the command in a new comment."
    )


_SENTENCES: Mapping[Result, Callable[[Outcome], str]] = {
    Result.ACCEPTED: _asked,
    Result.ALREADY: _already,
    Result.NO_PREVIEW: _nothing,
    Result.DISABLED: _unwanted,
    Result.MAXIMUM: _longest,
    Result.CLOSED: _closed,
    Result.OVERTAKEN: _overtaken,
    Result.MOVED: _moved,
    Result.UNSEEN: _unseen,
    Result.DONE: _done,
    Result.REFUSED: _refused,
    Result.FORBIDDEN: _forbidden,
    Result.UNKNOWN: _mistyped,
    Result.EDITED: _edited,
}


def _told(outcome: Outcome, account: StatusAnswer | None) -> list[str]:
    if account is None:
        return [_help()]
    wants_why, preview, stage = outcome.verb is Verb.WHY, account.preview, account.stage
    if stage is not None:
        return texts_stages.why(stage) if wants_why else texts_stages.status(stage)
    if outcome.stage:
        return texts_stages.unknown(account, outcome.stage)
    unknown = ["Nothing is known of a preview here."]
    if wants_why:
        return [*(_why(preview) if preview is not None else unknown), *texts_stages.open_here(account)]
    return [*(_status(preview) if preview is not None else unknown), *texts_stages.pipeline(account)]


def _help() -> str:
    rows = [f"| {code(entry.usage)} | {entry.does} |" for entry in COMMANDS.values()]
    table = "\n".join(["| Command | What it does |", "|---|---|", *rows])
    return f"{table}\n\n`/status staging` and `/why staging` tell more of one stage."


def _status(story: EnvironmentView) -> list[str]:
    where = f" It is at {link(story.url)}." if story.url else ""
    facts = [f"{code(name)} {code(short_digest(digest))}" for name, digest in sorted(story.images.items())]
    if story.expires_at is not None:
        facts.append(f"until {time(story.expires_at)}")
    checks = [f"{code(check.name)} {check.state}" for check in story.checks]
    said = [f"**{plain(story.headline)}**{where}", _cause(story)]
    return [part for part in [*said, " · ".join(facts), " · ".join(checks), plain(story.last_error)] if part]


def _why(story: EnvironmentView) -> list[str]:
    said = [f"**{plain(story.headline)}**", _cause(story)]
    cause = story.cause or story.wait
    if cause is not None and cause.detail:
        said.append(block(cause.detail, _DETAIL))
    decisions = [_decision(one) for one in story.decisions[:_DECISIONS]]
    if decisions:
        said.append("\n".join(["What was decided, the newest first:", "", *decisions]))
    return [part for part in [*said, plain(story.last_error)] if part]


def _cause(story: EnvironmentView) -> str:
    cause = story.cause or story.wait
    return plain(cause.summary) if cause is not None else ""


def _decision(decision: Decision) -> str:
    by = f" (by {code(decision.by)})" if decision.by else ""
    return f"- {time(decision.at)}: **{plain(decision.action)}** {plain(decision.reason, 300)}{by}"


def _name(outcome: Outcome) -> str:
    return code(outcome.verb or "")

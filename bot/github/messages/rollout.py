"""Texts about a progressive rollout: its table of steps, and sentences for its reasons. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from bot.environments.rollout_reasons import (
    CandidateGrows,
    CandidateTooLarge,
    CandidateWorse,
    Inconclusive,
    MetricsSilent,
    NoMetrics,
    ObjectsChanged,
    PlainRolloutReason,
    RolloutReason,
    StableKept,
    StepRunning,
)
from bot.github.messages.markdown import plain, sentence
from bot.model.durations import format_elapsed
from bot.model.rollout import (
    Counts,
    Decision,
    Grade,
    Look,
    Progress,
    Quantity,
    RolloutReport,
    StepResult,
    Strategy,
)
from bot.model.times import format_time

_BAR = 20
_SHARE = 0.95


def rollout_table(report: RolloutReport) -> list[str]:
    """The steps of a rollout with their numbers, and the current weight as a bar."""
    if not report.results:
        return []
    head = [
        "| Weight | Requests (stable / candidate) | Errors | 95 % within | Verdict |",
        "|---|---|---|---|---|",
    ]
    rows = [_row(result) for result in report.results]
    paragraphs = [weight_bar(report), "\n".join([*head, *rows])]
    if report.paused:
        paragraphs.append(f"⏸️ {plain(sentence(report.paused))}")
    if report.remark:
        paragraphs.append(f"⚠️ {plain(sentence(report.remark))}")
    if report.until is not None and report.progress is Progress.STEPPING:
        paragraphs.append(f"The stable revision is kept until {format_time(report.until, year=True)}.")
    return paragraphs


def weight_bar(report: RolloutReport) -> str:
    """The candidate's current share of the traffic."""
    filled = round(report.weight * _BAR / 100)
    name = {Strategy.CANARY: "Canary", Strategy.BLUE_GREEN: "Blue-green"}.get(report.strategy, "Rolling")
    return f"{name}: `{'█' * filled}{'░' * (_BAR - filled)}` {report.weight} %, {progress_text(report)}"


def progress_text(report: RolloutReport) -> str:
    match report.progress:
        case Progress.PREPARING:
            return "preparing the next step"
        case Progress.STEPPING:
            return "paused" if report.paused else "in progress"
        case Progress.FINISHING:
            return "all traffic moved"
        case Progress.RETURNED:
            return "all traffic is back on the stable revision"
    assert_never(report.progress)


def rollout_state(report: RolloutReport) -> list[str]:
    """What a rollout does, without a full stop."""
    if report.paused:
        return [report.paused]
    steps = " → ".join(f"{step} %" for step in report.steps)
    return [f"the candidate has {report.weight} % of the traffic (steps {steps})"]


def numbers(result: StepResult) -> tuple[str, str, str, str, str]:
    """Weight, requests, error rates, latencies and verdict of a step as text."""
    stable, candidate = result.stable, result.candidate
    return (
        f"{result.weight} %",
        f"{stable.requests:,} / {candidate.requests:,}",
        f"{_percent(stable)} / {_percent(candidate)}",
        f"{_within(stable)} / {_within(candidate)}",
        verdict_text(result),
    )


def verdict_text(result: StepResult) -> str:
    if result.decision is Decision.ADVANCE:
        return "✅ passed" if result.looks else "✅ moved"
    if result.decision is Decision.ROLL_BACK:
        return "❌ rolled back"
    if result.decision is Decision.SKIP:
        return "⏩ skipped"
    if result.grade is None:
        return "waiting for the first look" if result.weight < 100 else "all traffic"
    grades = {
        Grade.GOOD: "good so far",
        Grade.FEW: "too few requests",
        Grade.WORSE: "⚠️ worse",
        Grade.MUCH_WORSE: "❌ much worse",
    }
    return f"{grades[result.grade]} ({result.looks} look{'s' * (result.looks != 1)})"


def describe_rollout(reason: RolloutReason) -> str:
    """One sentence."""
    match reason:
        case PlainRolloutReason():
            return _plain(reason)
        case NoMetrics(provider, granted):
            return _no_metrics(provider, granted)
        case ObjectsChanged():
            return _objects_changed(reason)
        case CandidateTooLarge(excess):
            parts = ", ".join(f"{name} {want} of {have}" for name, (want, have) in sorted(excess.items()))
            return (
                f"Both revisions together request more than the quota of the stage: {parts}. "
                "Raise `size` of the stage, or use `rollout: rolling`."
            )
        case CandidateGrows() | StepRunning() | StableKept():
            return _waits(reason)
        case CandidateWorse(weight, look, slow):
            return f"At {weight} % of the traffic, {_difference(look, slow)}."
        case Inconclusive(weight, after, requests, others, needed):
            return (
                f"At {weight} % of the traffic, the analysis was inconclusive for "
                f"{format_elapsed(after.total_seconds())}: {requests} requests to the candidate and {others} "
                f"to the stable revision; {needed} on each side are needed."
            )
        case MetricsSilent(times, error):
            return f"The metrics provider did not answer {times} times in a row: {error}"
        case unknown:
            assert_never(unknown)


def _waits(reason: CandidateGrows | StepRunning | StableKept) -> str:
    match reason:
        case CandidateGrows(weight, pods):
            counts = ", ".join(
                f"{number} pod{'s' * (number != 1)} of {name}" for name, number in sorted(pods.items())
            )
            return f"The candidate needs {counts} for {weight} % of the traffic."
        case StepRunning(weight, looks, of):
            return f"The candidate has {weight} % of the traffic; look {looks} of at least {of}."
        case StableKept(until):
            return f"The candidate has all traffic; the stable revision is kept until {format_time(until)}."
    assert_never(reason)


def _objects_changed(reason: ObjectsChanged) -> str:
    names = ", ".join(reason.names)
    if reason.again:
        return f"Another client changed the candidate again ({names}); Greenroom restores it only once."
    return f"Another client changed the candidate ({names}); Greenroom restored it."


def _plain(reason: PlainRolloutReason) -> str:
    match reason:
        case PlainRolloutReason.FIRST_WITH_TRACKS:
            return (
                "This rollout is `rolling`: it adds the label that distinguishes the stage's pods from those "
                "of a candidate."
            )
        case PlainRolloutReason.FINISHING:
            return "The candidate has all traffic; the stable objects are being updated."
        case PlainRolloutReason.WEIGHTS_CHANGED:
            return "Another client changed the weights of a route; Greenroom restored them."
        case PlainRolloutReason.WEIGHTS_CHANGED_AGAIN:
            return "Another client changed the weights of a route again; Greenroom restores them only once."
        case PlainRolloutReason.PAUSED:
            return "The rollout is paused."
    assert_never(reason)


def _no_metrics(provider: str | None, granted: Sequence[str]) -> str:
    names = ", ".join(f"`{name}`" for name in granted)
    if provider is not None:
        choice = f"choose one of {names}" if names else "ask the operator to grant one"
        return (
            f"`analysis.provider` names {plain(provider)}, which this repository cannot use here: {choice}."
        )
    if names:
        return f"Several metrics providers are available: set `analysis.provider` to one of {names}."
    return "A canary needs metrics: ask the operator for a metrics provider, or use `rollout: blue_green`."


def _difference(look: Look, slow: float | None) -> str:
    stable, candidate = look.stable, look.candidate
    certainty = f"(probability by chance {look.chance:.2g})"
    if look.quantity is Quantity.SLOW and slow is not None:
        share, other = _slow(candidate, slow), _slow(stable, slow)
        compared = f"{share} of the requests to the candidate took more than {slow:g} s"
        return f"{compared}, and {other} of those to the stable revision {certainty}"
    text = (
        f"{candidate.errors} of {candidate.requests:,} requests to the candidate failed "
        f"({_percent(candidate)}), and {stable.errors} of {stable.requests:,} to the stable revision "
        f"({_percent(stable)})"
    )
    if look.quantity is Quantity.SUCCESS:
        return f"{text}: below the required success rate {certainty}"
    return f"{text} {certainty}"


def _slow(counts: Counts, seconds: float) -> str:
    slow = counts.slower_than(seconds) or 0
    return f"{100 * slow / max(counts.requests, 1):.1f} %"


def _percent(counts: Counts) -> str:
    return f"{100 * counts.error_share:.2f} %" if counts.requests else "none"


def _within(counts: Counts) -> str:
    """The smallest bound of the histogram within which 95 % of the requests were answered."""
    bounds = sorted((float(bound), count) for bound, count in counts.buckets.items())
    total = max((count for _, count in bounds), default=0)
    bound = next((bound for bound, count in bounds if total and count >= _SHARE * total), None)
    if bound is None:
        return "unknown"
    return f"{bound:g} s" if bound != float("inf") else "more"


def _row(result: StepResult) -> str:
    return f"| {' | '.join(numbers(result))} |"

"""Sentences about a preview that sleeps, and answers to `/sleep` and `/wake`."""

from __future__ import annotations

from typing import assert_never

from bot.commands.table import Verb
from bot.environments.sleep_reasons import Asleep, IdleUnknown, SleepReason, Waking
from bot.model.sleep import Sleep, SleepCause
from bot.model.times import format_time

SLEEP_ACCEPTED = {
    Verb.SLEEP: "😴 Putting the preview to sleep: workloads stop, data stays. `/wake` starts them again.",
    Verb.WAKE: "☀️ Starting the preview's workloads again.",
}
SLEEP_ALREADY = {
    Verb.SLEEP: "The preview is already asleep. `/wake` starts it again.",
    Verb.WAKE: "The preview is not asleep. Its comment above shows the status.",
}
"""Answers to the commands."""


def describe_sleep(reason: SleepReason) -> str:
    match reason:
        case Asleep(sleep, address):
            opens = "Opening its address, `/wake`" if address else "`/wake`"
            state = "No workloads run, and the data is kept."
            return f"{_cause(sleep)} {state} {opens}, a push or a review request wakes it."
        case Waking():
            return "The preview is waking up: its workloads start again, with their data."
        case IdleUnknown(cluster):
            gateway = f"the gateway of the cluster {cluster}" if cluster else "the gateway"
            return (
                f"`preview.sleep_after` has no effect: requests are not counted, because {gateway} has no "
                "metrics (`GREENROOM_GATEWAY_METRICS`)."
            )
        case unknown:
            assert_never(unknown)


def _cause(sleep: Sleep) -> str:
    since = f" since {format_time(sleep.idle_since)}" if sleep.idle_since is not None else ""
    match sleep.cause:
        case SleepCause.REQUESTED:
            return f"Put to sleep by `{sleep.by}`."
        case SleepCause.IDLE:
            return f"It has had no requests{since} (`preview.sleep_after`)."
        case SleepCause.SCHEDULE:
            return f"It sleeps on schedule (`preview.sleep`); it has not been used{since}."
        case SleepCause.CAP:
            return f"Another preview needed its slot, and it has not been used{since}."
        case unknown:
            assert_never(unknown)

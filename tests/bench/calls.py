"""How often GitHub is asked and written to, from opening a pull request to closing it."""

from __future__ import annotations

from tests.bench.figures import Figures, Goal
from tests.bench.numbers import at_rest, numbers, swept
from tests.bench.stage import Stage, stage

MOST_CALLS = 14

Calls = tuple[float, float]
"""Reads and writes."""


async def bench() -> Figures:
    figures = Figures("Calls to GitHub for one pull request, 304s counted", ("from … to", "reads", "writes"))
    async with stage() as on:
        await swept(on.bot.url)  # a start looks at everything once; that is no part of this
        total = await _life(on, figures)
        written = await _nothing_changed(on, figures)
    figures.goals.append(Goal("calls from opening to closing", total, MOST_CALLS))
    figures.goals.append(Goal("writes when nothing changed", written, 0))
    return figures


async def _life(on: Stage, figures: Figures) -> float:
    # The start's sweep had it minted already; a bot that slept for an hour would need it here.
    steps: list[tuple[str, Calls]] = [("a token, once an hour", (0, 1))]
    before = await _calls(on)
    number = await on.open("spring", on.files("spring"))
    await on.comment_with(number, "is ready")
    before = await _step(on, steps, "opened … ready", before)
    newest = await on.push("spring", on.files("autumn"))
    await on.comment_with(number, "is ready", newest[:7])
    before = await _step(on, steps, "pushed … ready", before)
    await on.close(number)
    await on.comment_with(number, "The preview is gone")
    await _step(on, steps, "closed … gone", before)
    total = (sum(reads for _, (reads, _) in steps), sum(writes for _, (_, writes) in steps))
    for what, (reads, writes) in [*steps, ("all of it", total)]:
        figures.rows.append((what, f"{reads:.0f}", f"{writes:.0f}"))
    return sum(total)


async def _nothing_changed(on: Stage, figures: Figures) -> float:
    """A ready preview is looked at again: a label comes and goes."""
    number = await on.open("night", on.files("night"))
    await on.comment_with(number, "is ready")
    await at_rest(on.bot.url)
    before = await _calls(on)
    steps: list[tuple[str, Calls]] = []
    on.github.pulls.label(on.repository, number, "question", by="ada")
    on.github.pulls.unlabel(on.repository, number, "question", by="ada")
    await _step(on, steps, "looked at again, nothing changed", before)
    [(what, (reads, writes))] = steps
    figures.rows.append((what, f"{reads:.0f}", f"{writes:.0f}"))
    return writes


async def _step(on: Stage, steps: list[tuple[str, Calls]], what: str, before: Calls) -> Calls:
    await at_rest(on.bot.url)
    after = await _calls(on)
    steps.append((what, (after[0] - before[0], after[1] - before[1])))
    return after


async def _calls(on: Stage) -> Calls:
    found = await numbers(on.bot.url)
    reads = found.total("greenroom_github_calls_total", 'method="GET"')
    return reads, found.total("greenroom_github_calls_total") - reads

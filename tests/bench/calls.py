"""Calls to GitHub from opening a pull request to closing it."""

from __future__ import annotations

from tests.bench.figures import Figures, Goal
from tests.bench.metrics import scrape, wait_for_sweeps, wait_until_idle
from tests.bench.scenario import MeasuredScenario, measured_scenario

MOST_CALLS = 14

Calls = tuple[float, float]
"""Reads and writes."""


async def bench() -> Figures:
    figures = Figures("Calls to GitHub for one pull request, 304s counted", ("from … to", "reads", "writes"))
    async with measured_scenario() as scenario:
        await wait_for_sweeps(scenario.bot.url)  # the sweeps after a start are not measured
        total = await _life(scenario, figures)
        written = await _nothing_changed(scenario, figures)
    figures.goals.append(Goal("calls from opening to closing", total, MOST_CALLS))
    figures.goals.append(Goal("writes when nothing changed", written, 0))
    return figures


async def _life(scenario: MeasuredScenario, figures: Figures) -> float:
    # The sweeps have created the token already; after an idle hour it would be created here.
    steps: list[tuple[str, Calls]] = [("a token, once an hour", (0, 1))]
    before = await _calls(scenario)
    number = await scenario.open("spring", scenario.files("spring"))
    await scenario.comment_with(number, "is ready")
    before = await _step(scenario, steps, "opened … ready", before)
    newest = await scenario.push("spring", scenario.files("autumn"))
    await scenario.comment_with(number, "is ready", newest[:7])
    before = await _step(scenario, steps, "pushed … ready", before)
    await scenario.close(number)
    await scenario.comment_with(number, "The preview was deleted")
    await _step(scenario, steps, "closed … gone", before)
    total = (sum(reads for _, (reads, _) in steps), sum(writes for _, (_, writes) in steps))
    for name, (reads, writes) in [*steps, ("total", total)]:
        figures.rows.append((name, f"{reads:.0f}", f"{writes:.0f}"))
    return sum(total)


async def _nothing_changed(scenario: MeasuredScenario, figures: Figures) -> float:
    """A ready preview is reconciled again: a label is added and removed."""
    number = await scenario.open("night", scenario.files("night"))
    await scenario.comment_with(number, "is ready")
    await wait_until_idle(scenario.bot.url)
    before = await _calls(scenario)
    steps: list[tuple[str, Calls]] = []
    scenario.github.pulls.label(scenario.repository, number, "question", by="ada")
    scenario.github.pulls.unlabel(scenario.repository, number, "question", by="ada")
    await _step(scenario, steps, "reconciled, nothing changed", before)
    [(name, (reads, writes))] = steps
    figures.rows.append((name, f"{reads:.0f}", f"{writes:.0f}"))
    return writes


async def _step(
    scenario: MeasuredScenario, steps: list[tuple[str, Calls]], name: str, before: Calls
) -> Calls:
    await wait_until_idle(scenario.bot.url)
    after = await _calls(scenario)
    steps.append((name, (after[0] - before[0], after[1] - before[1])))
    return after


async def _calls(scenario: MeasuredScenario) -> Calls:
    snapshot = await scrape(scenario.bot.url)
    reads = snapshot.total("greenroom_github_calls_total", 'method="GET"')
    return reads, snapshot.total("greenroom_github_calls_total") - reads

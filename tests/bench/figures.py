"""Output of a bench: a table of figures, notes and goals."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Goal:
    """A figure with its limit: a maximum, or with `at_least` a minimum."""

    name: str
    figure: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return (
            f"{'met ' if self.met else 'MISSED'} {self.name}: {self.figure:.3g} (goal {sign} {self.limit:g})"
        )


@dataclass
class Figures:
    """One bench's result."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    @property
    def met(self) -> bool:
        return all(goal.met for goal in self.goals)

    def show(self, console: Console) -> None:
        table = Table(title=self.title, title_justify="left", title_style="bold")
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)
        for note in self.notes:
            console.print(note, highlight=False)
        for goal in self.goals:
            console.print(str(goal), style="green" if goal.met else "red", highlight=False)
        console.print()


def median(values: Sequence[float]) -> float:
    return statistics.median(values)

"""`python -m tests.bench [NAME …]` runs the benches; the exit code is 1 when a goal is missed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from rich.console import Console

from tests.bench import (
    calls,
    dashboard,
    deliveries,
    drift,
    flood,
    history,
    installations,
    node,
    rollout,
    sweeps,
    traffic,
    transactions,
)
from tests.bench.figures import Figures

BENCHES: dict[str, Callable[[], Coroutine[Any, Any, Figures]]] = {
    "deliveries": deliveries.bench,
    "calls": calls.bench,
    "flood": flood.bench,
    "rollout": rollout.bench,
    "sweeps": sweeps.bench,
    "traffic": traffic.bench,
    "transactions": transactions.bench,
    "drift": drift.bench,
    "history": history.bench,
    "dashboard": dashboard.bench,
    "installations": installations.bench,
    "node": node.bench,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"unknown bench {unknown[0]}; choose from: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    console = Console(width=110)
    met = True
    for name in names or BENCHES.keys() - {"node"}:  # it runs in the node's network namespace
        figures = asyncio.run(BENCHES[name]())
        figures.show(console)
        met &= figures.met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

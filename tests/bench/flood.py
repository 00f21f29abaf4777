"""`/healthz` while unfinished requests flood the server.

Compared with the same server without load, and with an idle server on the same machine at the same time:
where that one is late as well, the machine is.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.bench.figures import Figures, Goal
from tests.flood import KINDS, MIB

CONNECTIONS = 200
SECONDS = 8.0
_INTERVAL_SECONDS = 0.02


async def bench() -> Figures:
    figures = Figures(
        f"/healthz while {CONNECTIONS} connections send requests without end",
        (
            "flood",
            "p50 ms",
            "p99 ms",
            "longest ms",
            "idle server's longest ms",
            "p99 against idle server",
            "p50 against no load",
            "memory MiB",
        ),
    )
    most = 0.0
    for kind in KINDS:
        quiet, flooded, peer, grown = await _measure(kind)
        times = [_percentile(flooded, 50), _percentile(flooded, 99), flooded[-1], peer[-1]]
        ratios = [
            _percentile(flooded, 99) / _percentile(peer, 99),
            _percentile(flooded, 50) / _percentile(quiet, 50),
        ]
        columns = (f"{figure:.1f}" for figure in (*times, *ratios))
        figures.rows.append((kind, *columns, f"+{grown:.0f}"))
        most = max(most, grown)
    figures.goals.append(Goal("MiB of memory for a flood", most, 150))
    return figures


async def _measure(kind: str) -> tuple[Sequence[float], Sequence[float], Sequence[float], float]:
    """Sorted latencies without and with the flood and of the idle server, and the growth of the memory."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        server = ("tests.bench.receivers", "greenroom", f"sqlite:///{folder}/greenroom.db")
        async with _module(*server) as (pid, port), _module("tests.bench.idle") as (_, idle):
            quiet, _, before = await _latencies(int(port), int(idle), pid)
            async with _module("tests.flood", port, str(CONNECTIONS), kind):
                flooded, peer, most = await _latencies(int(port), int(idle), pid)
    return quiet, flooded, peer, (most - before) / MIB


async def _latencies(port: int, idle: int, pid: int) -> tuple[Sequence[float], Sequence[float], int]:
    """Milliseconds of each call to both servers, sorted, and the most memory of the process meanwhile."""
    latencies: tuple[list[float], list[float]] = ([], [])
    memory, end = 0, time.perf_counter() + SECONDS
    async with httpx.AsyncClient(trust_env=False) as client:
        while time.perf_counter() < end:
            for asked, measured in zip((port, idle), latencies, strict=True):
                started = time.perf_counter()
                answer = await client.get(f"http://127.0.0.1:{asked}/healthz", timeout=30)
                answer.raise_for_status()
                measured.append((time.perf_counter() - started) * 1000)
            memory = max(memory, resident_bytes(pid))
            await asyncio.sleep(_INTERVAL_SECONDS)
    return sorted(latencies[0]), sorted(latencies[1]), memory


@asynccontextmanager
async def _module(*arguments: str) -> AsyncIterator[tuple[int, str]]:
    """Runs a module; yields its process id and its first line."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *arguments, stdout=PIPE)
    assert process.stdout is not None
    try:
        yield process.pid, (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    finally:
        process.terminate()
        await process.wait()


def resident_bytes(pid: int) -> int:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[len(ordered) * percent // 100]

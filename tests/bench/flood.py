"""`/healthz` while unfinished requests flood the server, against the same server without load."""

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
        ("flood", "p50 ms", "p99 ms", "longest ms", "p50 against idle", "memory MiB"),
    )
    most = 0.0
    for kind in KINDS:
        idle, flooded, grown = await _measure(kind)
        ratio = _percentile(flooded, 50) / _percentile(idle, 50)
        times = [_percentile(flooded, 50), _percentile(flooded, 99), flooded[-1]]
        figures.rows.append((kind, *(f"{time:.1f}" for time in times), f"{ratio:.1f}", f"+{grown:.0f}"))
        most = max(most, grown)
    figures.goals.append(Goal("MiB of memory for a flood", most, 150))
    return figures


async def _measure(kind: str) -> tuple[Sequence[float], Sequence[float], float]:
    """Sorted latencies without and with the flood, and by how much the server's memory grew."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        server = ("tests.bench.receivers", "greenroom", f"sqlite:///{folder}/greenroom.db")
        async with _module(*server) as (pid, port):
            idle, before = await _latencies(int(port), pid)
            async with _module("tests.flood", port, str(CONNECTIONS), kind):
                flooded, most = await _latencies(int(port), pid)
    return idle, flooded, (most - before) / MIB


async def _latencies(port: int, pid: int) -> tuple[Sequence[float], int]:
    """Milliseconds of each call, sorted, and the most memory of the process meanwhile."""
    latencies, memory = [], 0
    end = time.perf_counter() + SECONDS
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        while time.perf_counter() < end:
            started = time.perf_counter()
            (await client.get("/healthz", timeout=30)).raise_for_status()
            latencies.append((time.perf_counter() - started) * 1000)
            memory = max(memory, resident_bytes(pid))
            await asyncio.sleep(_INTERVAL_SECONDS)
    return sorted(latencies), memory


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

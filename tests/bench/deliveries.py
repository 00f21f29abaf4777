"""Durable deliveries, compared with an endpoint that only verifies and with Probot, alternately.

Every acknowledged delivery of Greenroom is on disk with the work that it asks for: SQLite in WAL mode with
`synchronous=FULL`, on the disk that BENCH_FOLDER names (the temporary folder otherwise). Probot's handler
does nothing and keeps nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.figures import Figures, Goal, median
from tests.bench.load import SECRET

CONNECTIONS = 16
ROUNDS = 5
SECONDS = 4.0
WARM_UP_SECONDS = 1.5
_PROBOT = Path(__file__).parent / "probot"
_PYTHON = (sys.executable, "-m")


class NoNode(Exception):
    """Node or npm is missing, or npm could not install Probot."""


@dataclass(frozen=True)
class Server:
    pid: int
    port: int

    def processor_seconds(self) -> float:
        """All of its threads, in user and kernel."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Turn:
    """One server under load for some seconds."""

    deliveries: int
    rate: float
    p50: float
    p99: float
    processor: float = 0.0
    """Microseconds of the server's processor time for each delivery."""


async def bench() -> Figures:
    figures = Figures(
        f"Deliveries of {_kilobytes():.0f} kB on {CONNECTIONS} connections, median of {ROUNDS} turns",
        ("receiver", "per second", "p50 ms", "p99 ms", "processor µs"),
    )
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-", dir=os.environ.get("BENCH_FOLDER")) as folder:
        file = Path(folder) / "greenroom.db"
        servers: dict[str, Sequence[str]] = {
            "verify only, keeps nothing": [*_PYTHON, "tests.bench.receivers", "verify"],
            "Greenroom, on disk": [*_PYTHON, "tests.bench.receivers", "greenroom", f"sqlite:///{file}"],
        }
        try:
            servers["Probot, keeps nothing"] = await _probot()
        except NoNode as error:
            figures.notes.append(f"Not measured against Probot: {error}")
        turns, acknowledged = await _in_turns(servers)
        figures.notes.append(_stored(file, acknowledged["Greenroom, on disk"]))
    for name, own_turns in turns.items():
        figures.rows.append((name, *(f"{value:.1f}" for value in _medians(own_turns))))
    _compare(figures, turns)
    return figures


def _compare(figures: Figures, turns: Mapping[str, Sequence[Turn]]) -> None:
    ours, verify = turns["Greenroom, on disk"], turns["verify only, keeps nothing"]
    figures.notes.append(f"Greenroom / verify only: {_ratio(ours, verify):.2f} of the rate")
    probot = turns.get("Probot, keeps nothing")
    if probot is not None:
        figures.goals.append(Goal("rate against Probot", _ratio(ours, probot), 1.0, at_least=True))
        tail = median([turn.p99 / other.p99 for turn, other in zip(ours, probot, strict=True)])
        figures.goals.append(Goal("p99 against Probot's", tail, 0.8))


def _ratio(ours: Sequence[Turn], theirs: Sequence[Turn]) -> float:
    """Median of the ratios of adjacent turns, which share the machine's other load."""
    return median([turn.rate / other.rate for turn, other in zip(ours, theirs, strict=True)])


def _medians(turns: Sequence[Turn]) -> tuple[float, float, float, float]:
    return (
        median([turn.rate for turn in turns]),
        median([turn.p50 for turn in turns]),
        median([turn.p99 for turn in turns]),
        median([turn.processor for turn in turns]),
    )


async def _in_turns(servers: Mapping[str, Sequence[str]]) -> tuple[dict[str, list[Turn]], dict[str, int]]:
    """All servers run the whole time and are idle except in their turn."""
    turns: dict[str, list[Turn]] = {name: [] for name in servers}
    acknowledged = dict.fromkeys(servers, 0)
    async with _running(servers) as running:
        for name, server in running.items():
            acknowledged[name] += (await _turn(server, WARM_UP_SECONDS)).deliveries
        for _ in range(ROUNDS):
            for name, server in running.items():
                turn = await _turn(server, SECONDS)
                turns[name].append(turn)
                acknowledged[name] += turn.deliveries
    return turns, acknowledged


@asynccontextmanager
async def _running(servers: Mapping[str, Sequence[str]]) -> AsyncIterator[dict[str, Server]]:
    """Starts the servers and terminates them at the end."""
    started: list[Process] = []
    servers_by_name = {}
    try:
        for name, command in servers.items():
            environment = {**os.environ, "BENCH_SECRET": SECRET.decode(), "NODE_ENV": "production"}
            process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, env=environment)
            started.append(process)
            assert process.stdout is not None
            servers_by_name[name] = Server(
                process.pid, int(await asyncio.wait_for(process.stdout.readline(), 60))
            )
        yield servers_by_name
    finally:
        for process in started:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _turn(server: Server, seconds: float) -> Turn:
    command = [*_PYTHON, "tests.bench.load", str(server.port), str(CONNECTIONS), str(seconds)]
    before = server.processor_seconds()
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError("the load generator failed; see its output above")
    turn = Turn(**json.loads(output))
    return replace(turn, processor=(server.processor_seconds() - before) / turn.deliveries * 1e6)


def _stored(file: Path, acknowledged: int) -> str:
    """Counts the stored deliveries; an acknowledgement without a row is an error."""
    with sqlite3.connect(file) as database:
        [stored] = database.execute("SELECT count(*) FROM deliveries").fetchone()
    database.close()
    if stored < acknowledged:
        raise RuntimeError(f"{acknowledged} deliveries were acknowledged and only {stored} are on disk")
    return f"Greenroom acknowledged {acknowledged} deliveries; {stored} are on disk."


async def _probot() -> Sequence[str]:
    """Installed by npm into a folder outside of the tree, once."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NoNode("Node and npm are not installed on this machine.")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "greenroom" / "bench-probot"
    folder.mkdir(parents=True, exist_ok=True)
    for file in _PROBOT.iterdir():
        shutil.copy(file, folder)
    install = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error"]
    process = await asyncio.create_subprocess_exec(*install, cwd=folder, stdout=PIPE)
    await process.communicate()
    if process.returncode != 0:
        raise NoNode("npm could not install it; see its output above.")
    return (node, str(folder / "server.js"))


def _kilobytes() -> float:
    from tests.bench.load import bodies

    return len(bodies()[0]) / 1000

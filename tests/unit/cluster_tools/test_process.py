"""Tools run with limits, without the environment of the bot, and leave no processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.cluster.render.process import MIB, Limits, ToolFailed, run

PATIENT = Limits(seconds=60)


def program(folder: Path, text: str) -> str:
    """A Python script as a program of its own."""
    path = folder / "tool"
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)
    return str(path)


async def failure(folder: Path, text: str, limits: Limits = PATIENT) -> ToolFailed:
    with pytest.raises(ToolFailed) as caught:
        await run(program(folder, text), (), folder, limits)
    return caught.value


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def eventually(check: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not check():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


async def gone(process: int) -> bool:
    return await eventually(lambda: not is_alive(process))


async def test_run_passes_arguments_and_returns_output(tmp_path: Path) -> None:
    tool = program(tmp_path, "import sys; print(sys.argv[1:])")
    assert await run(tool, ("a", "b c"), tmp_path, PATIENT) == b"['a', 'b c']\n"


async def test_run_has_a_minimal_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_WEBHOOK_SECRET", "hunter2")
    tool = program(tmp_path, "import json, os, sys; print(json.dumps([dict(os.environ), os.getcwd()]))")
    environment, folder = json.loads(await run(tool, (), tmp_path, PATIENT))
    assert "hunter2" not in str(environment)
    assert {environment["HOME"], environment["TMPDIR"], folder} == {str(tmp_path)}
    assert environment["XDG_CONFIG_HOME"].startswith(str(tmp_path))
    assert "SSH_AUTH_SOCK" not in environment


async def test_only_an_online_tool_gets_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    tool = program(tmp_path, "import json, os; print(json.dumps(dict(os.environ)))")
    for online in (True, False):
        environment = json.loads(await run(tool, (), tmp_path, PATIENT, online=online))
        assert ("https_proxy" in environment) == online


async def test_run_has_no_network_where_possible(tmp_path: Path) -> None:
    tool = program(tmp_path, "import os; print(os.readlink('/proc/self/ns/net'))")
    inside = await run(tool, (), tmp_path, PATIENT)
    online = await run(tool, (), tmp_path, PATIENT, online=True)
    assert online.decode().strip() == os.readlink("/proc/self/ns/net")
    assert (inside != online) == _may_leave_the_network()


async def test_run_failure_has_the_end_of_stderr(tmp_path: Path) -> None:
    error = await failure(tmp_path, "import sys; sys.exit('x' * 9000 + ' no such chart')")
    assert str(error) == "failed"
    assert error.stderr.endswith("no such chart")
    assert len(error.stderr) <= 4000


async def test_run_reports_a_program_that_cannot_start(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="could not be started") as caught:
        await run(str(tmp_path / "absent"), (), tmp_path, PATIENT)
    assert "No such file" in caught.value.stderr


async def test_run_limits_output(tmp_path: Path) -> None:
    error = await failure(tmp_path, "while True: print('y' * 10_000)", Limits(seconds=60, output=MIB))
    assert str(error) == "printed more than 1 MiB"


async def test_run_discards_excess_stderr(tmp_path: Path) -> None:
    error = await failure(tmp_path, "import sys\nfor n in range(100_000): print(n, file=sys.stderr)\n1/0")
    assert error.stderr.endswith("ZeroDivisionError: division by zero")


async def test_run_stops_a_sleeping_program(tmp_path: Path) -> None:
    error = await failure(tmp_path, "import time; print('hello', flush=True); time.sleep(600)", Limits(1))
    assert str(error) == "did not finish within 1 s"


async def test_run_stops_a_busy_program(tmp_path: Path) -> None:
    error = await failure(tmp_path, "while True: pass", Limits(1))
    assert str(error).startswith(("did not finish", "was terminated by signal"))


async def test_run_kills_a_program_that_ignores_signals(tmp_path: Path) -> None:
    text = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    assert "did not finish" in str(await failure(tmp_path, text, Limits(1)))


async def test_run_limits_memory(tmp_path: Path) -> None:
    error = await failure(tmp_path, "x = bytearray(2 * 2**30)", Limits(60, memory=256 * MIB))
    assert "MemoryError" in error.stderr


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        ("fatal error: runtime: out of memory", "needs more than 768 MiB of memory"),
        ("fatal error: runtime: cannot allocate memory", "needs more than 768 MiB of memory"),
        ("fatal error: out of memory allocating heap arena metadata", "needs more than 768 MiB of memory"),
        ("warning: old\\nfatal error: stack overflow", "crashed (stack overflow)"),
        ("panic: index out of range", "crashed (index out of range)"),
    ],
)
async def test_run_reports_a_crash_of_go_without_stacks(tmp_path: Path, printed: str, message: str) -> None:
    stacks = "\\n\\ngoroutine 1 [running]:\\nmain.main()" * 400
    error = await failure(tmp_path, f"import sys; sys.stderr.write('{printed}{stacks}'); sys.exit(2)")
    assert (str(error), error.stderr) == (message, "")


async def test_run_limits_file_sizes(tmp_path: Path) -> None:
    text = f"open({str(tmp_path / 'large')!r}, 'wb').truncate(2**40)"
    error = await failure(tmp_path, text)
    assert "File too large" in error.stderr or "signal" in str(error)


@pytest.mark.long
@pytest.mark.parametrize("end", ["", "import time; time.sleep(600)"], ids=["that ends", "that is ended"])
async def test_run_kills_descendants(tmp_path: Path, end: str) -> None:
    """A descendant that has left its session, like a daemon, is killed too."""
    text = f"""
import os, subprocess, sys
away = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True,
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
open({str(tmp_path / "process")!r}, "w").write(str(away.pid))
{end}
"""
    if end:
        await failure(tmp_path, text, Limits(5))
    else:
        await run(program(tmp_path, text), (), tmp_path, PATIENT)
    assert await gone(int((tmp_path / "process").read_text()))


async def test_run_stops_when_cancelled(tmp_path: Path) -> None:
    note = tmp_path / "process"
    text = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    work = asyncio.create_task(run(program(tmp_path, text), (), tmp_path, PATIENT))
    assert await eventually(lambda: note.exists() and note.read_text() != "")
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await gone(int(note.read_text()))


def _may_leave_the_network() -> bool:
    """Whether the kernel allows to leave the network, as the launcher detects it."""
    text = "import ctypes; raise SystemExit(ctypes.CDLL(None).unshare(0x50000000) != 0)"
    return subprocess.run([sys.executable, "-c", text], check=False).returncode == 0

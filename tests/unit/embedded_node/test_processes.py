"""No process outlives the node, and nothing of a process outlives it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.embedded.node.processes import Command, Processes, StartError

SLEEP = "import time; time.sleep(60)"
FAMILY = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print(child.pid, flush=True)\n"
)


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    made = Processes()
    await made.start()
    yield made
    await made.stop()


def python(program: str, **env: str) -> Command:
    return Command([sys.executable, "-c", program], env, "/")


async def test_process_gets_its_environment_and_exits(processes: Processes, tmp_path: Path) -> None:
    output = tmp_path / "out"
    program = "import os, sys; print(sorted(os.environ), os.getcwd()); sys.exit(7)"
    process = await processes.spawn(Command([sys.executable, "-c", program], {"A": "1"}, "/usr"), output)
    assert await process.wait() == 7
    message = output.read_text()
    assert "'A'" in message
    assert "HOME" not in message
    assert message.endswith(" /usr\n")


async def test_signal_is_reported_as_exit_code(processes: Processes, tmp_path: Path) -> None:
    process = await processes.spawn(python(SLEEP), tmp_path / "out")
    process.signal(signal.SIGTERM)
    assert await process.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("argv", "cwd"), [(["/no/such"], "/"), ([sys.executable], "/no/such"), (["/etc"], "/")]
)
async def test_start_failure_has_a_reason(processes: Processes, argv: list[str], cwd: str) -> None:
    with pytest.raises(StartError, match=r"No such file|denied"):
        await processes.spawn(Command(argv, {}, cwd), Path(os.devnull))


async def test_children_end_with_their_parent(processes: Processes, tmp_path: Path) -> None:
    output = tmp_path / "out"
    process = await processes.spawn(python(FAMILY), output)
    assert await process.wait() == 0
    await _until(lambda: not _alive(int(output.read_text())))


async def test_stop_ends_all_processes(tmp_path: Path) -> None:
    processes = Processes()
    await processes.start()
    output = tmp_path / "out"
    process = await processes.spawn(python(FAMILY + "time.sleep(60)"), output)
    await _until(lambda: output.read_text().endswith("\n"))
    await processes.stop()
    assert await process.wait() == 128 + signal.SIGKILL
    assert not _alive(process.pid)
    assert not _alive(int(output.read_text()))


@pytest.mark.parametrize("victim", ["node", "launcher"])
async def test_processes_end_when_the_node_is_killed(tmp_path: Path, victim: str) -> None:
    script = (
        "import asyncio, sys, pathlib\n"
        "from bot.embedded.node.processes import Command, Processes\n"
        "async def main():\n"
        "    made = Processes()\n"
        "    await made.start()\n"
        "    command = Command([sys.executable, '-c', 'import time; time.sleep(60)'], {}, '/')\n"
        "    process = await made.spawn(command, pathlib.Path('/dev/null'))\n"
        "    print(made._launcher.pid, process.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    node = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    assert node.stdout
    launcher, pod = map(int, (await node.stdout.readline()).split())
    os.kill(node.pid if victim == "node" else launcher, signal.SIGKILL)
    await _until(lambda: not _alive(pod))
    if victim == "launcher":
        node.kill()
    await node.wait()
    await _until(lambda: not _alive(launcher))


async def _until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # it went before, or while it was read
        return False
    return state != "Z"

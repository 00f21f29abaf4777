"""Signals, start and draining of the server process."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from bot.server import listen

Start = Callable[[str], "Process"]


class Process:
    def __init__(self, slow: str) -> None:
        command = [sys.executable, "-m", "tests.unit.server.application", slow]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self._lines = self.process.stdout
        self.url = self.next_step()

    def next_step(self) -> str:
        return self._lines.readline().strip()

    def rest(self) -> list[str]:
        """The steps until the process ends."""
        return self.process.communicate(timeout=30)[0].split("\n")[:-1]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Process] = []

    def begin(slow: str) -> Process:
        running.append(Process(slow))
        assert running[-1].next_step() == "starting"
        return running[-1]

    yield begin
    for started in running:
        started.process.kill()
        started.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_drains_and_exits_with_0(start: Start, number: signal.Signals) -> None:
    bot = start("nothing")
    assert bot.next_step() == "started"
    assert httpx.get(bot.url).text == "answered"
    bot.process.send_signal(number)
    assert bot.rest() == ["request", "draining within 23", "drained", "ended"]
    assert bot.process.returncode == 0


def test_drain_finishes_requests_and_accepts_no_others(start: Start) -> None:
    bot = start("request")
    assert bot.next_step() == "started"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.get, bot.url)
        assert bot.next_step() == "request"
        bot.process.terminate()
        assert answer.result().text == "answered"
    with pytest.raises(httpx.TransportError):
        httpx.get(bot.url)
    assert bot.rest()[-2:] == ["drained", "ended"]
    assert bot.process.returncode == 0


def test_second_signal_ends_the_process(start: Start) -> None:
    bot = start("drain")
    assert bot.next_step() == "started"
    bot.process.terminate()
    assert bot.next_step().startswith("draining")
    began = time.monotonic()
    bot.process.terminate()
    assert bot.rest() == []
    assert bot.process.returncode == -signal.SIGTERM
    assert time.monotonic() - began < 5


def test_signal_ends_a_hanging_start(start: Start) -> None:
    bot = start("start")
    bot.process.terminate()
    assert bot.rest() == ["draining within 23", "drained", "ended"]
    assert bot.process.returncode == 0


def test_used_address_is_an_error() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", taken.getsockname()[1])

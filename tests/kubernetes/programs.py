"""Runs a program beside a test: its log in a file, its end with the block or with this process."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_START_SECONDS = 60
_STOP_SECONDS = 10
# The kernel ends the program with this process, however that ends (PR_SET_PDEATHSIG, SIGKILL).
_BOUND_TO_US = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, ready: Callable[[], bool], **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Start it and wait until it is ready; `variables` are added to the environment."""
    bound = [sys.executable, "-I", "-S", "-c", _BOUND_TO_US, *command]
    with log.open("ab") as output:
        process = subprocess.Popen(
            bound, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **variables}
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            ended, late = process.poll() is not None, time.monotonic() > deadline
            if ended or late:
                raise AssertionError(log.read_text(errors="replace")[-2000:])
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

"""Runs the `greenroom` command, or any code, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

GREENROOM = [sys.executable, "-c", "from bot.cli.main import main; main()"]
BARE_ENVIRONMENT = {"PATH": os.environ["PATH"], "COLUMNS": "100"}


def run_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GREENROOM, *arguments],
        env={**BARE_ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def imported_modules(code: str) -> set[str]:
    """All modules that are loaded after the code has run."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=BARE_ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())

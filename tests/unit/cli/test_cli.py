"""The `greenroom` command as a person meets it."""

from __future__ import annotations

import os
import subprocess
import sys

GREENROOM = [sys.executable, "-c", "from bot.cli.main import main; main()"]
BARE = {"PATH": os.environ["PATH"], "COLUMNS": "100"}


def greenroom(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GREENROOM, *arguments], env={**BARE, **environment}, capture_output=True, text=True, timeout=60
    )


def imported(code: str) -> set[str]:
    """Everything that is loaded after the code has run in a new process."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=BARE, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_help_names_the_commands() -> None:
    shown = greenroom("--help")
    assert shown.returncode == 0
    assert all(command in shown.stdout for command in ("serve", "doctor", "migrate", "version", "embedded"))


def test_help_is_quick_because_it_loads_nothing_heavy() -> None:
    heavy = {
        "pydantic",
        "sqlalchemy",
        "kubernetes",
        "githubkit",
        "httpx",
        "starlette",
        "structlog",
        "aiohttp",
    }
    assert not heavy & imported("import bot.cli.main")


def test_the_version_is_the_installed_one() -> None:
    from importlib.metadata import version

    assert greenroom("version").stdout == f"greenroom {version('greenroom')}\n"


def test_serve_without_settings_says_what_to_set() -> None:
    done = greenroom("serve")
    assert done.returncode == 2
    assert "GREENROOM_WEBHOOK_SECRET is not set." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_option_is_told_in_a_sentence() -> None:
    done = greenroom("serve", "--port", "eighty")
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr

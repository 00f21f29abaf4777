"""Runs the `greenroom` command in the test's own process."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from typer.testing import CliRunner, Result

from bot.cli.main import app
from tests.unit.github.github_api import PEM


def greenroom(*arguments: str, answers: str | None = None, **environment: str) -> Result:
    """The result of the command, without any setting of the test's own environment.

    `answers` is what a user types.
    """
    unset = {name: None for name in os.environ if name.startswith("GREENROOM_") or name == "KUBECONFIG"}
    with _restored_logging():
        return CliRunner().invoke(
            app,
            arguments,
            input=answers,
            env={**unset, "COLUMNS": "100", **environment},
            catch_exceptions=False,
        )


@contextmanager
def _restored_logging() -> Iterator[None]:
    """Commands configure logging for the whole process, with the runner's stderr."""
    root = logging.getLogger()
    handlers, level, configuration = root.handlers, root.level, structlog.get_config()
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.configure(**configuration)


class Operator:
    """Runs commands with complete settings and a database in the folder."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'greenroom.db'}"
        self.settings = {
            "GREENROOM_GITHUB_APP_ID": "1",
            "GREENROOM_GITHUB_PRIVATE_KEY": PEM,
            "GREENROOM_WEBHOOK_SECRET": "webhook-secret",
            "GREENROOM_PUBLIC_URL": "https://greenroom.example.com",
            "GREENROOM_BASE_DOMAIN": "preview.example.com",
            "GREENROOM_GATEWAY": "gateways/public",
            "GREENROOM_DATABASE_URL": self.url,
            "KUBECONFIG": str(folder / "missing"),
            "COLUMNS": "160",
        }

    def __call__(self, *arguments: str, **changed: str) -> Result:
        return greenroom(*arguments, **{**self.settings, **changed})

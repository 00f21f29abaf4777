"""The log of the process: JSON lines, or coloured lines on a terminal, with secrets redacted.

`about(delivery=…, environment=…)` is a context manager that adds fields to every line, also of libraries.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Collection
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars as about
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["about", "set_up_logging"]

Redact = Callable[[str], str]

HIDDEN = "[hidden]"
_SHORTEST_SECRET = 4
"""Redacting shorter strings would make the log unreadable."""

_TOKEN = re.compile(
    r"""
      gh[a-z]_[A-Za-z0-9_.-]{16,} | github_pat_\w{16,} | \bv1\.[0-9a-f]{40}\b     # GitHub
    | \b(?-i:eyJ)[\w-]{8,}(\.[\w-]*){0,2}                             # JWT or other JSON in base64
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(-----END\ [A-Z ]*PRIVATE\ KEY-----|$)
    | (?<=://)[^\s/@:]*:[^\s/@]+(?=@)                                              # URL with a password
    | (?<=\bBearer\ )[\w.~+/=-]{8,} | (?<=\bBasic\ )[\w+/=-]{8,} | (?<=\btoken\ )[\w.-]{30,}
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)

_QUIET = {
    # Lower levels log every request or timer, or quote bodies.
    "apscheduler": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "hishel": logging.WARNING,
    "kubernetes": logging.INFO,
    "asyncio": logging.INFO,
    "aiosqlite": logging.INFO,
    "alembic": logging.WARNING,
    "uvicorn": logging.WARNING,
    "boto3": logging.WARNING,
    "botocore": logging.WARNING,
    "urllib3": logging.WARNING,
}


def set_up_logging(level: str = "info", secrets: Collection[str] = ()) -> None:
    """Sends all loggers of the process to stderr. Call it again once the secrets are known."""
    terminal = sys.stderr.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    render: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if terminal:
        render = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                hide_secrets(redactor(secrets)),
                render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name, minimum in _QUIET.items():
        logging.getLogger(name).setLevel(max(minimum, root.level))


def redactor(secrets: Collection[str]) -> Redact:
    """A function that replaces the secrets, and text that looks like a token, key or password."""
    values = sorted({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)
    literals = re.compile("|".join(map(re.escape, values))) if values else None

    def redact(text: str) -> str:
        return _TOKEN.sub(HIDDEN, literals.sub(HIDDEN, text) if literals else text)

    return redact


def hide_secrets(redact: Redact) -> Processor:
    """The last processor before rendering: redacts all texts of an event, and converts objects to text."""

    def hidden(value: object) -> Any:
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return redact(value)
            case dict():
                return {redact(str(key)): hidden(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [hidden(item) for item in value]
            case BaseException():
                return redact(f"{type(value).__name__}: {value}")
            case _:
                return redact(str(value))

    def process(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {key: hidden(value) for key, value in event.items()}

    return process

"""The log format and the redaction of secrets."""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bot.logging import about, redactor, set_up_logging


class Log(io.StringIO):
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    root = logging.getLogger()
    before = root.handlers, root.level
    text = Log()
    monkeypatch.setattr(sys, "stderr", text)
    set_up_logging("info", ["a well kept secret"])
    yield text
    root.handlers, level = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_lines_have_delivery_and_environment(log: Log) -> None:
    with about(delivery="72d3162e", environment="preview/7/12"):
        structlog.get_logger("bot.intake").info("recorded", keys=2)
        logging.getLogger("uvicorn.error").error("Stopped %s", "here")
    structlog.get_logger("bot.intake").info("idle")
    recorded, stopped, idle = log.lines()
    assert (recorded["event"], recorded["keys"], recorded["level"]) == ("recorded", 2, "info")
    assert recorded["delivery"] == stopped["delivery"] == "72d3162e"
    assert recorded["environment"] == "preview/7/12"
    assert (stopped["event"], stopped["logger"]) == ("Stopped here", "uvicorn.error")
    assert recorded["timestamp"].endswith("Z")
    assert "delivery" not in idle


def test_error_is_one_line_with_traceback(log: Log) -> None:
    try:
        raise ValueError("using a well kept secret")
    except ValueError:
        structlog.get_logger().exception("it broke")
    (line,) = log.lines()
    assert line["event"] == "it broke"
    assert "ValueError: using [hidden]" in line["exception"]
    assert "well kept" not in log.getvalue()


def test_given_secrets_are_redacted(log: Log) -> None:
    class Peer:
        def __repr__(self) -> str:
            return "Peer(a well kept secret)"

    structlog.get_logger().warning(
        "a well kept secret", nested={"a well kept secret": ["x a well kept secret"]}, peer=Peer()
    )
    logging.getLogger("any").error("it is %s", "a well kept secret", extra={"more": b"a well kept secret"})
    assert len(log.lines()) == 2
    assert "well kept" not in log.getvalue()


@pytest.mark.parametrize(
    "secret",
    [
        "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
        "v1.1f699f1069f60xxx1f699f1069f60aaa1f699f10".replace("x", "0"),
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxMiJ9.c2lnbmF0dXJl",
        "eyJhdXRocyI6eyJnaGNyLmlvIjp7ImF1dGgiOiJZV1JoT25ObFkzSmxkQSJ9fX0",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_tokens_are_redacted(secret: str) -> None:
    assert redactor(())(f"before {secret} after") == "before [hidden] after"


def test_passwords_in_urls_and_headers_are_redacted() -> None:
    redact = redactor(())
    assert (
        redact("postgresql+psycopg://greenroom:hunter2@db:5432/x")
        == "postgresql+psycopg://[hidden]@db:5432/x"
    )
    assert redact("Authorization: Bearer abcdefgh12345678") == "Authorization: Bearer [hidden]"


def test_other_text_is_not_redacted() -> None:
    redact = redactor(["", "abc"])
    for text in ("abc at https://github.com/acme/shop", "sha256:" + "ab12" * 16, "f" * 40, "token expired"):
        assert redact(text) == text


@pytest.mark.parametrize("piece", ["eyJ-", "://a:", "Bearer ", "-----BEGIN PRIVATE KEY", "gha_", "v1.0"])
def test_text_that_resembles_secrets_is_redacted_in_little_time(piece: str) -> None:
    started = time.process_time()
    redactor(())(piece * (64_000 // len(piece)))
    assert time.process_time() - started < 0.05


def test_libraries_do_not_log_every_request(log: Log) -> None:
    logging.getLogger("httpx").info("HTTP Request: GET https://example.com")
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("apscheduler.executors.default").info("Running job")
    logging.getLogger("kubernetes.aio.client.rest").debug("response body: …")
    assert log.lines() == []

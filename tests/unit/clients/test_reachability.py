"""Outages of a service are one line each, and so are their ends."""

from __future__ import annotations

from structlog.testing import capture_logs

from bot.clients.reachability import Reachability


def test_outage_is_logged_once_with_its_end() -> None:
    now = 0.0
    service = Reachability("Kubernetes", lambda: now)
    with capture_logs() as lines:
        service.answered()
        service.failed("one lost connection")
        service.answered()
        for _ in range(5):
            service.failed("connection refused")
            now += 3
        service.answered()
        service.answered()
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("service unreachable", "warning"),
        ("service reachable again", "info"),
    ]
    assert (lines[0]["reason"], lines[1]["after_seconds"]) == ("connection refused", 15.0)

"""HTTP client of the shop, the seed and the smoke test for Services of their namespace."""

from __future__ import annotations

import json
import os
from contextlib import closing
from http.client import HTTPConnection
from typing import Any


class RefusedError(OSError):
    """The other side answered, but with an error; the message is its own."""


def address(service: str) -> tuple[str, int]:
    """Host and port of a Service: Kubernetes' variables, or its DNS name."""
    prefix = service.upper().replace("-", "_")
    host = os.environ.get(f"{prefix}_SERVICE_HOST", service)
    return host, int(os.environ.get(f"{prefix}_SERVICE_PORT", "80"))


def fetch(service: str, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
    """The body at `path` of a Service. Raises OSError without a response."""
    with closing(HTTPConnection(*address(service), timeout=5)) as connection:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        content = response.read()
    if response.status >= 400:
        raise RefusedError(
            f"{service} answered {response.status}: {content.decode(errors='replace').strip()}"
        )
    return content


def get(service: str, path: str) -> Any:
    """The JSON value at `path` of a Service."""
    return json.loads(fetch(service, path))


def send(method: str, service: str, path: str, value: object) -> Any:
    """Send `value` as JSON to a Service and return its answer."""
    return json.loads(fetch(service, path, method, json.dumps(value).encode()))

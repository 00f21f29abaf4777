"""Deliveries from `fixtures/webhooks`, as GitHub sends them."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[1] / "fixtures" / "webhooks"
SECRET = "a secret for the fixtures only"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.json") if not path.name.endswith(".headers.json"))
"""EVENT.ACTION, or EVENT where there is no action."""


@dataclass(frozen=True)
class Webhook:
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> str:
        return self.headers["X-GitHub-Event"]

    @property
    def guid(self) -> str:
        return self.headers["X-GitHub-Delivery"]

    @property
    def payload(self) -> Any:
        return json.loads(self.body)


def fixture(name: str) -> Webhook:
    headers = json.loads((FIXTURES / f"{name}.headers.json").read_text())
    return Webhook(headers, (FIXTURES / f"{name}.json").read_bytes())


def signed(event: str, body: bytes, guid: str = "guid-1", secret: str = SECRET) -> Webhook:
    """A delivery of any body with valid headers."""
    signature = "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()
    headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": guid, "X-Hub-Signature-256": signature}
    return Webhook(headers, body)


def changed(name: str, **fields: Any) -> bytes:
    """The fixture's body with changed top-level fields; `...` removes a field."""
    payload = fixture(name).payload | fields
    return json.dumps({key: value for key, value in payload.items() if value is not ...}).encode()

"""Verification of webhook signatures: HMAC-SHA-256 of the raw body."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

_PREFIX = b"sha256="


def verify(secrets: Sequence[bytes], body: bytes, header: bytes | None) -> bool:
    """Whether the value of `X-Hub-Signature-256` was made with one of the secrets.

    Several secrets allow rotation. `X-Hub-Signature` (SHA-1) is ignored, and an empty secret never matches.
    """
    if header is None or not header.startswith(_PREFIX):
        return False
    actual = header[len(_PREFIX) :]
    is_valid = False
    for secret in secrets:
        expected = hmac.digest(secret, body, "sha256").hex().encode()
        is_valid |= bool(secret) and hmac.compare_digest(expected, actual)
    return is_valid

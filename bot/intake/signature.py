"""The signature of a webhook: HMAC-SHA-256 over the raw body."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

_PREFIX = b"sha256="


def verify(secrets: Sequence[bytes], body: bytes, header: bytes | None) -> bool:
    """Whether one of the secrets made the value of `X-Hub-Signature-256`.

    Several secrets are there to rotate one. The older `X-Hub-Signature` (SHA-1) is never looked at.
    An empty secret signs nothing: anybody could have it.
    """
    if header is None or not header.startswith(_PREFIX):
        return False
    given = header[len(_PREFIX) :]
    genuine = False
    for secret in secrets:
        expected = hmac.digest(secret, body, "sha256").hex().encode()
        genuine |= bool(secret) and hmac.compare_digest(expected, given)
    return genuine

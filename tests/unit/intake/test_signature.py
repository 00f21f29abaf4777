"""Verification of webhook signatures."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bot.intake.signature import verify
from tests.webhooks import NAMES, SECRET, fixture

_SECRET = SECRET.encode()


@pytest.mark.parametrize("name", NAMES)
def test_valid_signature_is_accepted(name: str) -> None:
    webhook = fixture(name)
    assert verify([_SECRET], webhook.body, webhook.headers["X-Hub-Signature-256"].encode())


def test_both_secrets_are_accepted_during_rotation() -> None:
    body = b'{"zen": "Keep it logically awesome."}'
    old, new = b"the old secret", b"the new secret"
    for secret in (old, new):
        header = b"sha256=" + hmac.digest(secret, body, "sha256").hex().encode()
        assert verify([old, new], body, header)
        assert verify([new, old], body, header)
        assert not verify([b"a third one"], body, header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"sha256=",
        b"sha256",
        hmac.digest(_SECRET, b"{}", "sha256").hex().encode(),
        b"sha256=" + hmac.digest(_SECRET, b"{}", "sha256").hex().upper().encode(),
        b"sha256=" + hmac.digest(_SECRET, b"{}", "sha256").hex().encode()[:-1],
        b"sha256= " + hmac.digest(_SECRET, b"{}", "sha256").hex().encode(),
        b"sha1=" + hmac.new(_SECRET, b"{}", hashlib.sha1).hexdigest().encode(),
        b"sha256=" + "é".encode() * 32,
        b"sha256=" + b"\xff" * 64,
        b"sha256=" + b"0" * 64,
    ],
)
def test_other_signatures_are_rejected(header: bytes | None) -> None:
    assert not verify([_SECRET], b"{}", header)


def test_empty_secret_never_matches() -> None:
    anybodys = b"sha256=" + hmac.digest(b"", b"{}", "sha256").hex().encode()
    assert not verify([b""], b"{}", anybodys)
    assert not verify([b"", _SECRET], b"{}", anybodys)
    assert not verify([], b"{}", anybodys)


@given(body=some.binary(max_size=200), header=some.binary(max_size=90))
def test_random_headers_are_rejected(body: bytes, header: bytes) -> None:
    assert not verify([_SECRET], body, header)
    assert not verify([_SECRET], body, b"sha256=" + header)


@given(body=some.binary(min_size=1, max_size=200), where=some.integers(min_value=0))
def test_modified_body_is_rejected(body: bytes, where: int) -> None:
    header = b"sha256=" + hmac.digest(_SECRET, body, "sha256").hex().encode()
    assert verify([_SECRET], body, header)
    touched = bytearray(body)
    touched[where % len(body)] ^= 1
    assert not verify([_SECRET], bytes(touched), header)

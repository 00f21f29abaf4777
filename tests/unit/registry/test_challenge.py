"""Parsing of `WWW-Authenticate`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.registry.challenge import Challenge, parse_challenge


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:acme/shop:pull"',
            Challenge("bearer", "https://ghcr.io/token", "ghcr.io", "repository:acme/shop:pull"),
        ),
        (
            'bearer service=quay.io , realm="https://quay.io/v2/auth"',
            Challenge("bearer", "https://quay.io/v2/auth", "quay.io"),
        ),
        ('Basic realm="Registry Realm"', Challenge("basic")),
        (
            'Negotiate, Bearer realm="https://a.example/t",error="invalid_token"',
            Challenge("bearer", "https://a.example/t"),
        ),
        ("Bearer", None),
        ("", None),
        ("Digest realm=x", None),
    ],
)
def test_parse_challenge(header: str, expected: Challenge | None) -> None:
    assert parse_challenge(header) == expected


@given(st.text(alphabet='Bearbasic realm="=,;\\ \t', max_size=60))
def test_parse_challenge_accepts_any_header(header: str) -> None:
    parse_challenge(header)

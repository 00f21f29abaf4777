"""A registry cannot refer the bot into a private network."""

from __future__ import annotations

import pytest

from bot.registry.transport import may_ask, may_follow

PUBLIC, PRIVATE, LOOPBACK, METADATA = "140.82.112.3", "10.96.0.1", "127.0.0.1", "169.254.169.254"


@pytest.mark.parametrize(
    ("target", "registry", "allowed"),
    [
        ([PUBLIC], [PUBLIC], True),
        ([PUBLIC], [LOOPBACK], True),
        ([PRIVATE], [PUBLIC], False),
        ([LOOPBACK], [PUBLIC], False),
        ([METADATA], [PUBLIC], False),
        ([METADATA], [METADATA], False),
        ([PUBLIC, PRIVATE], [PUBLIC], False),
        ([PRIVATE], [PRIVATE], True),
        ([LOOPBACK], [PRIVATE], False),
        ([LOOPBACK], [LOOPBACK], True),
        ([PRIVATE], [PRIVATE, PUBLIC], False),
        ([], [PUBLIC], False),
    ],
)
def test_referred_host_must_be_public_or_as_near_as_the_registry(
    target: list[str], registry: list[str], allowed: bool
) -> None:
    assert may_follow(target, registry) is allowed


@pytest.mark.parametrize(
    ("host", "addresses", "allowed"),
    [
        ("ghcr.io", [PUBLIC], True),
        ("registry.corp.example", [PRIVATE], True),
        ("127.0.0.1", [LOOPBACK], True),
        ("localhost", ["::1", LOOPBACK], True),
        ("innocent.example", [LOOPBACK], False),
        ("localhost", [PUBLIC], False),
        ("metadata.example", [METADATA], False),
        ("nowhere.example", [], False),
    ],
)
def test_registry_must_not_resolve_to_loopback_or_metadata(
    host: str, addresses: list[str], allowed: bool
) -> None:
    assert may_ask(host, addresses) is allowed

"""A registry cannot refer the bot into a private network."""

from __future__ import annotations

import pytest

from bot.model.addresses import zone
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
    zones = [{zone(address) for address in addresses} for addresses in (target, registry)]
    assert may_follow(*zones) is allowed


@pytest.mark.parametrize(
    ("addresses", "allowed"),
    [
        ([PUBLIC], True),
        ([PRIVATE], False),
        (["::1", LOOPBACK], False),
        ([PUBLIC, PRIVATE], False),
        ([METADATA], False),
        ([], False),
    ],
)
def test_registry_that_is_not_listed_must_be_public(addresses: list[str], allowed: bool) -> None:
    assert may_ask({zone(address) for address in addresses}) is allowed

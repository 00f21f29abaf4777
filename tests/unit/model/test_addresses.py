"""A registry cannot send the bot into the cluster's own network."""

from __future__ import annotations

import pytest

from bot.model.addresses import Zone, is_loopback_name, may_ask, may_follow, zone

PUBLIC, PRIVATE, LOOPBACK, METADATA = "140.82.112.3", "10.96.0.1", "127.0.0.1", "169.254.169.254"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (PUBLIC, Zone.PUBLIC),
        ("2606:50c0::1", Zone.PUBLIC),
        (PRIVATE, Zone.PRIVATE),
        ("192.168.1.1", Zone.PRIVATE),
        ("100.64.0.1", Zone.PRIVATE),
        ("fd00::1", Zone.PRIVATE),
        (LOOPBACK, Zone.LOOPBACK),
        ("127.9.9.9", Zone.LOOPBACK),
        ("::1", Zone.LOOPBACK),
        ("::ffff:127.0.0.1", Zone.LOOPBACK),
        ("64:ff9b::10.0.0.1", Zone.PRIVATE),
        ("2002:7f00:1::", Zone.LOOPBACK),
        (METADATA, Zone.FORBIDDEN),
        ("::ffff:169.254.169.254", Zone.FORBIDDEN),
        ("fe80::1%eth0", Zone.FORBIDDEN),
        ("0.0.0.0", Zone.FORBIDDEN),
        ("::", Zone.FORBIDDEN),
        ("224.0.0.1", Zone.FORBIDDEN),
    ],
)
def test_zone(address: str, expected: Zone) -> None:
    assert zone(address) is expected


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
def test_where_a_registry_may_send_us(target: list[str], registry: list[str], allowed: bool) -> None:
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
def test_where_a_registry_itself_may_be(host: str, addresses: list[str], allowed: bool) -> None:
    assert may_ask(host, addresses) is allowed


def test_loopback_by_name() -> None:
    assert [
        name for name in ("localhost", "a.localhost", "127.1.2.3", "[::1]") if not is_loopback_name(name)
    ] == []
    assert [name for name in ("ghcr.io", "localhost.example", "10.0.0.1") if is_loopback_name(name)] == []

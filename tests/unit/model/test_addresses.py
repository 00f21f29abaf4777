"""Zones of addresses, and networks that are not public."""

from __future__ import annotations

import pytest

from bot.model.addresses import Zone, is_loopback_name, non_public_parts, parse_network, zone

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
        ("255.255.255.255", Zone.FORBIDDEN),
        ("168.63.129.16", Zone.FORBIDDEN),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", Zone.PRIVATE),
        ("64:ff9b::8c52:7003", Zone.PUBLIC),
        ("64:ff9b:1::1", Zone.PRIVATE),
    ],
)
def test_zone(address: str, expected: Zone) -> None:
    assert zone(address) is expected


def test_is_loopback_name() -> None:
    assert [
        name for name in ("localhost", "a.localhost", "127.1.2.3", "[::1]") if not is_loopback_name(name)
    ] == []
    assert [name for name in ("ghcr.io", "localhost.example", "10.0.0.1") if is_loopback_name(name)] == []


@pytest.mark.parametrize(
    ("network", "excepted", "parts"),
    [
        ("140.82.112.0/20", [], []),
        ("10.1.2.0/24", [], ["10.1.2.0/24"]),
        ("8.0.0.0/6", [], ["10.0.0.0/8"]),
        ("8.0.0.0/6", ["10.0.0.0/8"], []),
        ("8.0.0.0/6", ["10.0.0.0/9"], ["10.0.0.0/8"]),
        ("::ffff:10.0.0.0/104", [], ["10.0.0.0/8"]),
        ("2002:a00::/24", [], ["2002:a00::/24"]),
    ],
)
def test_non_public_parts(network: str, excepted: list[str], parts: list[str]) -> None:
    exceptions = [parse_network(text) for text in excepted]
    assert [str(part) for part in non_public_parts(parse_network(network), exceptions)] == parts

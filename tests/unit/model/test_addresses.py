"""Zones of addresses, and networks that are not public."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.addresses import (
    Zone,
    closed_networks,
    is_loopback_name,
    non_public_parts,
    parse_network,
    zone,
)

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
        ("64:ff9b:1::1", Zone.FORBIDDEN),
        ("64:ff9b:1:a00:0:100::", Zone.PRIVATE),
        ("64:ff9b:1:8c52:70:300::", Zone.PRIVATE),
        ("::ffff:0:10.0.0.1", Zone.PRIVATE),
        ("::ffff:0:8.8.8.8", Zone.FORBIDDEN),
        ("::10.0.0.1", Zone.FORBIDDEN),
        ("2606:50c0::5efe:10.0.0.1", Zone.PRIVATE),
        ("2606:50c0::200:5efe:169.254.169.254", Zone.FORBIDDEN),
        ("2606:50c0::5efe:140.82.112.3", Zone.PUBLIC),
        ("2002:8c52:7003::1", Zone.PRIVATE),
        ("2001:0:a00:1:0:0:73ad:8ffc", Zone.PRIVATE),
        ("2001:db8::1", Zone.PRIVATE),
        ("203.0.113.9", Zone.PRIVATE),
        ("192.88.99.1", Zone.PRIVATE),
        ("100::1", Zone.FORBIDDEN),
        ("5f00::1", Zone.FORBIDDEN),
        ("ff0e::1", Zone.FORBIDDEN),
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
        ("2606:50c0::5efe:a00:0/104", [], ["2606:50c0::5efe:a00:0/104"]),
        ("2606:50c0::5efe:8c52:7003/128", [], []),
        ("2606:50c0::/32", [], []),
    ],
)
def test_non_public_parts(network: str, excepted: list[str], parts: list[str]) -> None:
    exceptions = [parse_network(text) for text in excepted]
    assert [str(part) for part in non_public_parts(parse_network(network), exceptions)] == parts


def _same_as_ipv4(inner: IPv4Address) -> list[str]:
    """The ways to write an IPv4 address as an IPv6 address."""
    number = int(inner)
    texts = [
        0xFFFF << 32 | number,
        0xFFFF0000 << 32 | number,
        0x64FF9B << 96 | number,
        0x64FF9B0001 << 80 | number >> 16 << 64 | (number & 0xFFFF) << 40,
        0x2002 << 112 | number << 80 | 1,
        0x20010000 << 96 | 0x41 << 88 | 0x36 << 80 | number ^ 0xFFFFFFFF,
        0x260650C0 << 96 | 0x5EFE << 32 | number,
        0x260650C0 << 96 | 0x2005EFE << 32 | number,
    ]
    return [str(IPv6Address(text)) for text in texts]


@given(st.ip_addresses(v=4))
def test_ipv6_spelling_of_a_closed_address_is_never_public(inner: IPv4Address) -> None:
    closed = zone(str(inner)) is not Zone.PUBLIC
    for text in _same_as_ipv4(inner):
        assert not (closed and zone(text) is Zone.PUBLIC), text
        parts = non_public_parts(parse_network(f"{text}/128"), ())
        assert not closed or any(True for _ in parts), text


@given(st.ip_addresses())
def test_public_address_is_globally_reachable_unicast(address: IPv4Address | IPv6Address) -> None:
    if zone(str(address)) is Zone.PUBLIC and not getattr(address, "ipv4_mapped", None):
        assert address.is_global, address
        assert not address.is_multicast, address


@given(st.ip_addresses())
def test_closed_networks_contain_every_nonpublic_address(address: IPv4Address | IPv6Address) -> None:
    covered = any(address in ip_network(network) for network in closed_networks(address.version))
    (part,) = [parse_network(str(address))]
    if part.version == address.version:
        assert covered == any(True for _ in non_public_parts(part, ()))

"""Where a registry may send the bot: pure rules over addresses that were already resolved.

A registry answers 401 with the address of its token service. A hostile one could name the cluster's own
API, a cloud's metadata service or a database on loopback.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_TRANSLATED = IPv6Network("64:ff9b::/96")  # NAT64: the last 32 bits are an IPv4 address


class Zone(StrEnum):
    """How far away an address is."""

    PUBLIC = "public"
    PRIVATE = "private"
    """Also shared, benchmarking and documentation networks: not the public internet."""
    LOOPBACK = "loopback"
    FORBIDDEN = "forbidden"
    """Link-local (a cloud's metadata), multicast, unspecified: no registry lives there."""


def zone(address: str) -> Zone:
    """The zone of an IP address; IPv4 inside IPv6 is judged as IPv4."""
    parsed = _unwrapped(ip_address(address.partition("%")[0]))
    if parsed.is_loopback:
        return Zone.LOOPBACK
    if parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified:
        return Zone.FORBIDDEN
    return Zone.PUBLIC if parsed.is_global else Zone.PRIVATE


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_loopback_name(host: str) -> bool:
    """Whether a host without port is loopback by its very name: `localhost`, `127.0.0.1`, `::1`."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return zone(host.strip("[]")) is Zone.LOOPBACK
    except ValueError:
        return False


def may_ask(host: str, addresses: Sequence[str]) -> bool:
    """Whether the registry `host` itself may be asked at these addresses.

    A private network is fine, since that is where many registries live; loopback only when it was written so.
    """
    zones = {zone(address) for address in addresses}
    if is_loopback_name(host):
        return zones == {Zone.LOOPBACK}
    return bool(zones) and zones <= {Zone.PUBLIC, Zone.PRIVATE}


def may_follow(target: Sequence[str], registry: Sequence[str]) -> bool:
    """Whether a registry at the addresses `registry` may send us to a host at the addresses `target`.

    To the public internet always; to a private network or loopback only when the registry is there too.
    """
    zones, home = {zone(address) for address in target}, {zone(address) for address in registry}
    if not zones or Zone.FORBIDDEN in zones:
        return False
    return all(target_zone is Zone.PUBLIC or home == {target_zone} for target_zone in zones)

"""IP addresses that are not globally reachable unicast, and the zone of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Zone(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    FORBIDDEN = "forbidden"
    """Link-local (metadata services of clouds), multicast and reserved: no service that we call is there."""


NON_PUBLIC: dict[Network, Zone] = {
    ip_network(network): zone
    for network, zone in (
        ("0.0.0.0/8", Zone.FORBIDDEN),
        ("10.0.0.0/8", Zone.PRIVATE),
        ("100.64.0.0/10", Zone.PRIVATE),  # carrier-grade NAT; clouds and overlay networks use it too
        ("127.0.0.0/8", Zone.LOOPBACK),
        ("168.63.129.16/32", Zone.FORBIDDEN),  # Azure's host
        ("169.254.0.0/16", Zone.FORBIDDEN),  # link-local, with the metadata services of most clouds
        ("172.16.0.0/12", Zone.PRIVATE),
        ("192.0.0.0/24", Zone.PRIVATE),
        ("192.0.2.0/24", Zone.PRIVATE),  # documentation
        ("192.88.99.0/24", Zone.PRIVATE),  # relays of 6to4
        ("192.168.0.0/16", Zone.PRIVATE),
        ("198.18.0.0/15", Zone.PRIVATE),  # benchmarking
        ("198.51.100.0/24", Zone.PRIVATE),  # documentation
        ("203.0.113.0/24", Zone.PRIVATE),  # documentation
        ("224.0.0.0/4", Zone.FORBIDDEN),
        ("240.0.0.0/4", Zone.FORBIDDEN),
        ("::1/128", Zone.LOOPBACK),
        # Addresses that contain an IPv4 address, which may be a private one.
        ("64:ff9b::/96", Zone.PRIVATE),  # NAT64
        ("64:ff9b:1::/48", Zone.PRIVATE),  # NAT64 with a local prefix
        ("2001::/32", Zone.PRIVATE),  # Teredo
        ("2002::/16", Zone.PRIVATE),  # 6to4
        ("2001::/23", Zone.PRIVATE),  # protocols of the IETF
        ("2001:db8::/32", Zone.PRIVATE),  # documentation
        ("3fff::/20", Zone.PRIVATE),  # documentation
        ("fc00::/7", Zone.PRIVATE),
        ("fe80::/10", Zone.FORBIDDEN),
        ("fec0::/10", Zone.PRIVATE),
        # Only 2000::/3 is assigned to the public internet.
        ("::/3", Zone.FORBIDDEN),
        ("4000::/2", Zone.FORBIDDEN),
        ("8000::/1", Zone.FORBIDDEN),
    )
}
"""Everything but globally reachable unicast, with its zone; the first match applies."""

_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The upper half of an interface identifier of ISATAP; the lower half is an IPv4 address."""


def zone(address: str) -> Zone:
    """The zone of an IP address. An address that contains a non-public IPv4 address has the zone of that one.

    Raises ValueError.
    """
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        for inner in _embedded(parsed):
            if (inner_zone := _zone(inner)) is not Zone.PUBLIC:
                return inner_zone
        if parsed in _MAPPED or parsed in _NAT64:
            return Zone.PUBLIC
    return _zone(parsed)


def _zone(address: Address) -> Zone:
    return next((zone for network, zone in NON_PUBLIC.items() if address in network), Zone.PUBLIC)


def is_loopback_name(host: str) -> bool:
    """Whether a host without port is a literal name of loopback: `localhost`, `127.0.0.1`, `::1`."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return zone(host.strip("[]")) is Zone.LOOPBACK
    except ValueError:
        return False


def parse_network(text: str) -> Network:
    """A network in CIDR notation; IPv4 mapped into IPv6 becomes IPv4. Raises ValueError."""
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network


def is_mapped(text: str) -> bool:
    """Whether a network in CIDR notation consists of IPv4 addresses mapped into IPv6. Raises ValueError."""
    network = ip_network(text, strict=False)
    return isinstance(network, IPv6Network) and network.subnet_of(_MAPPED)


def non_public_parts(network: Network, excepted: Iterable[Network]) -> Iterator[Network]:
    """The networks inside `network` that are not public and that no exception covers."""
    exceptions = list(excepted)
    for closed in (*NON_PUBLIC, *_isatap(network)):
        if closed.version == network.version and closed.overlaps(network):
            part = closed if closed.prefixlen >= network.prefixlen else network
            if not any(_contains(exception, part) for exception in exceptions):
                yield part


def closed_networks(version: int) -> list[str]:
    """The merged networks of an IP version that are not public: what a rule for the internet excludes."""
    if version == 4:
        closed = collapse_addresses(item for item in NON_PUBLIC if isinstance(item, IPv4Network))
        return [str(network) for network in closed]
    merged = collapse_addresses(item for item in NON_PUBLIC if isinstance(item, IPv6Network))
    return [str(network) for network in merged]


def _contains(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def _isatap(network: Network) -> Iterator[Network]:
    """The network itself if it consists of ISATAP addresses of non-public IPv4 addresses."""
    if isinstance(network, IPv4Network) or network.prefixlen < 96:
        return
    if int(network.network_address) >> 32 & 0xFFFFFFFF in _ISATAP:
        inner = IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
        if any(True for _ in non_public_parts(inner, ())):
            yield network


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses inside an IPv6 address."""
    number = int(address)
    if (
        address in _MAPPED
        or address in _NAT64
        or address in _TRANSLATED
        or number >> 32 & 0xFFFFFFFF in _ISATAP
    ):
        yield IPv4Address(number & 0xFFFFFFFF)
    if address in _LOCAL_NAT64:
        # RFC 6052: bits 64 to 71 are zero and divide the address.
        yield IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo

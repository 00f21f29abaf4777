"""IP addresses that are not on the public internet, and how far away each of them is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

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
        ("192.168.0.0/16", Zone.PRIVATE),
        ("198.18.0.0/15", Zone.PRIVATE),  # benchmarking
        ("224.0.0.0/4", Zone.FORBIDDEN),
        ("240.0.0.0/4", Zone.FORBIDDEN),
        ("::1/128", Zone.LOOPBACK),
        ("::/96", Zone.FORBIDDEN),
        # Addresses that carry an IPv4 address, which may be a private one.
        ("64:ff9b::/96", Zone.PRIVATE),  # NAT64
        ("64:ff9b:1::/48", Zone.PRIVATE),  # NAT64 with a local prefix
        ("2001::/32", Zone.PRIVATE),  # Teredo
        ("2002::/16", Zone.PRIVATE),  # 6to4
        ("fc00::/7", Zone.PRIVATE),
        ("fe80::/10", Zone.FORBIDDEN),
        ("fec0::/10", Zone.PRIVATE),
        ("ff00::/8", Zone.FORBIDDEN),
    )
}
"""Everything that is not the public internet, with its zone; the first match applies."""

_NAT64 = IPv6Network("64:ff9b::/96")
_MAPPED = IPv6Network("::ffff:0:0/96")


def zone(address: str) -> Zone:
    """The zone of an IP address; IPv4 inside IPv6 is judged as IPv4. Raises ValueError."""
    parsed = _unwrap(ip_address(address.partition("%")[0]))
    return next((zone for network, zone in NON_PUBLIC.items() if parsed in network), Zone.PUBLIC)


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


def non_public_parts(network: Network, excepted: Iterable[Network]) -> Iterator[Network]:
    """The networks inside `network` that are not public and that no exception covers."""
    exceptions = list(excepted)
    for closed in NON_PUBLIC:
        if closed.version == network.version and closed.overlaps(network):
            part = closed if closed.prefixlen >= network.prefixlen else network
            if not any(_contains(exception, part) for exception in exceptions):
                yield part


def _contains(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def _unwrap(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo_client = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo_client or address

"""Decides which proxy a request uses: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY for all clients."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

from bot.model.addresses import is_loopback_name
from bot.model.errors import GreenroomError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_PORTS = {"http": 80, "https": 443}
_ENTRY = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]/]+)(:(?P<port>[0-9]{1,5}))?")
_NAME = re.compile(r"(\*?\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?")


class InvalidProxy(GreenroomError):
    """A proxy variable has no valid value. The message contains no password."""


@dataclass(frozen=True, slots=True)
class _Exception:
    """An entry of NO_PROXY: a network, or a domain with its subdomains; optionally of one port."""

    network: Network | None = None
    domain: str = ""
    subdomains_only: bool = False
    port: int | None = None

    def matches(self, host: str, address: Address | None, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address is not None and address in self.network
        inside = host.endswith(f".{self.domain}") or (host == self.domain and not self.subdomains_only)
        return inside and address is None


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies by scheme, and the hosts that are reached directly. Without proxies, all are."""

    by_scheme: Mapping[str, str] = field(default_factory=dict, repr=False)
    exceptions: tuple[_Exception, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises InvalidProxy. Of a lower and an upper case name, the lower case one applies."""
        everything = _variable(environment, "all_proxy")
        proxies = {scheme: _variable(environment, f"{scheme}_proxy") or everything for scheme in _PORTS}
        entries = re.split(r"[,\s]+", _value(environment, "no_proxy"))
        if "*" in entries:
            return cls()
        return cls(
            {scheme: proxy for scheme, proxy in proxies.items() if proxy},
            tuple(_exception(entry) for entry in entries if entry),
        )

    def for_url(self, url: str) -> str | None:
        """The proxy's URL; None for a direct connection. Names are not resolved; loopback is direct."""
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
        if not host or is_loopback_name(host):
            return None
        address, port = _address(host), parts.port or _PORTS.get(parts.scheme, 0)
        if any(exception.matches(host, address, port) for exception in self.exceptions):
            return None
        return self.by_scheme.get(parts.scheme)


def proxy_variables(environment: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """The variables as they are, for programs that decide alike."""
    names = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    return {name: value for name, value in environment.items() if name.lower() in names and value.strip()}


def _value(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name) or environment.get(name.upper()) or "").strip()


def _variable(environment: Mapping[str, str], name: str) -> str:
    value = _value(environment, name)
    url = value if not value or "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if url and not valid:
        raise InvalidProxy(
            f"{name.upper()} is invalid: expected the URL of an HTTP proxy, "
            "such as http://proxy.example.com:3128"
        )
    return url


def _exception(entry: str) -> _Exception:
    try:
        return _Exception(network=ip_network(entry, strict=False))
    except ValueError:
        pass
    match = _ENTRY.fullmatch(entry)
    host = match["host"].lower() if match else ""
    port = int(match["port"]) if match and match["port"] else None
    address = _address(host.strip("[]"))
    if address is not None:
        return _Exception(network=ip_network(address), port=port)
    if not _NAME.fullmatch(host):
        raise InvalidProxy(
            f"NO_PROXY is invalid: {entry!r} is not a host, domain, address or network. "
            "Expected entries such as .svc, internal.example.com:8443, 10.0.0.0/8"
        )
    domain = host.removeprefix("*").rstrip(".")
    return _Exception(domain=domain.lstrip("."), subdomains_only=domain.startswith("."), port=port)


def _address(host: str) -> Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address

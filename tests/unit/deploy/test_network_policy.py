"""The shipped NetworkPolicy: what the bot needs is reachable, private networks are closed otherwise."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.addresses import NON_PUBLIC, closed_networks
from tests.unit.deploy.manifests import single

_API_SERVER = {443, 6443}


@functools.cache
def rules() -> list[dict[str, Any]]:
    return list(single("NetworkPolicy")["spec"]["egress"])


def allowed(address: IPv4Address | IPv6Address, port: int, protocol: str = "TCP") -> bool:
    """Whether a rule by address allows a connection, as Kubernetes evaluates it."""
    return any(
        address in ip_network(block["cidr"])
        and not any(address in ip_network(excepted) for excepted in block.get("except", ()))
        for rule in rules()
        if "ports" not in rule or {"protocol": protocol, "port": port} in rule["ports"]
        for block in blocks(rule)
    )


def blocks(rule: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer)


@pytest.mark.parametrize("version", [4, 6])
def test_internet_rule_excludes_exactly_the_non_public_networks(version: int) -> None:
    everything = {4: "0.0.0.0/0", 6: "::/0"}[version]
    [block] = [block for rule in rules() for block in blocks(rule) if block["cidr"] == everything]
    assert block["except"] == closed_networks(version)


@given(st.ip_addresses(), st.sampled_from([22, 80, 443, 5432, 6443, 8080]))
def test_public_addresses_are_reachable_and_others_only_for_the_api_server(
    address: IPv4Address | IPv6Address, port: int
) -> None:
    public = not any(address in network for network in NON_PUBLIC)
    if public:
        assert allowed(address, port)
    elif allowed(address, port):
        assert port in _API_SERVER


@pytest.mark.parametrize("address", ["10.96.0.1", "172.18.0.2", "192.168.49.2", "100.64.0.1", "fd00::1"])
def test_api_server_is_reachable(address: str) -> None:
    assert all(allowed(ip_address(address), port) for port in _API_SERVER)
    assert not allowed(ip_address(address), 80)


def test_dns_is_reachable() -> None:
    assert {"to": [{"namespaceSelector": {}}]} in rules()
    assert all(allowed(ip_address("169.254.20.10"), 53, protocol) for protocol in ("TCP", "UDP"))


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "168.63.129.16", "fd00:ec2::254", "127.0.0.1", "::1", "169.254.20.10"]
)
@pytest.mark.parametrize("port", [80, 443, 6443])
def test_metadata_services_and_loopback_are_not_reachable(address: str, port: int) -> None:
    assert not allowed(ip_address(address), port)

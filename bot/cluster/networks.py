"""Addresses that an environment may not reach: what is private to the operator, or to the cloud."""

from __future__ import annotations

import ipaddress

CLOSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, which clouds and overlay networks use too
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host
        "169.254.0.0/16",  # link-local, and with it the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "::1/128",
        "64:ff9b::/96",  # IPv4 behind NAT64, private addresses among it
        "fc00::/7",
        "fe80::/10",
    )
)

"""Rules for Services and NetworkPolicies: nothing may open the environment to private networks."""

from __future__ import annotations

import re

from bot.cluster.guard.decisions import Outcome, Refuse, Remove, Scope
from bot.cluster.node import Node
from bot.model.addresses import Network, is_mapped, non_public_parts, parse_network

INSIDE = "environments are reached through their route"
_CLOSED = (
    "it opens private networks; allowed destinations are pods of this environment, DNS in the cluster, "
    "public addresses and networks of `GREENROOM_ALLOWED_NETWORKS`"
)
_NETWORKS = (
    "expected networks such as 192.0.2.0/24 or 2001:db8::/32 in `ipBlock`, with `except` of the same IP "
    "version as `cidr`, and IPv4 not mapped into IPv6"
)
_NETWORK = re.compile(r"([0-9.]+|[0-9a-fA-F:]+)/(0|[1-9][0-9]{0,2})")
"""The spellings that all network plugins read alike: no netmask, no IPv4 inside IPv6."""


def text_value(node: Node, _: Scope) -> Outcome:
    node.text()
    return None


def service_type(node: Node, _: Scope) -> Outcome:
    kind = node.text()
    if kind in ("", "ClusterIP"):
        return None
    if kind in ("LoadBalancer", "NodePort"):
        return Remove(f"{INSIDE}, so the Service becomes a ClusterIP")
    return Refuse(f"Services of type {kind} are not allowed; use ClusterIP")


def egress_rule(node: Node, scope: Scope) -> Outcome:
    """Removes a rule that opens private networks.

    Policies are additive: the environment's own policy still allows DNS and the internet.
    """
    destinations = list(node["to"].items())
    try:
        allowed = bool(destinations) and all(_is_allowed(item, node, scope) for item in destinations)
    except ValueError:
        return Refuse(_NETWORKS)
    return None if allowed else Remove(_CLOSED)


def ingress_rule(node: Node, _: Scope) -> Outcome:
    try:
        for source in node["from"].items():
            if source["ipBlock"]:
                _block(source["ipBlock"])
    except ValueError:
        return Refuse(_NETWORKS)
    return None


def _is_allowed(destination: Node, rule: Node, scope: Scope) -> bool:
    if destination["namespaceSelector"]:
        return _is_dns(rule)
    if not destination["ipBlock"]:
        return bool(destination["podSelector"])
    allowed, excepted = _block(destination["ipBlock"])
    excepted += [parse_network(text) for text in scope.policy.allowed_networks]
    return not any(True for _ in non_public_parts(allowed, excepted))


def _block(block: Node) -> tuple[Network, list[Network]]:
    """`cidr` and `except`. Raises ValueError for spellings that network plugins read differently."""
    allowed = _network(block["cidr"].text())
    excepted = [_network(text) for text in block["except"].texts()]
    if any(network.version != allowed.version for network in excepted):
        raise ValueError("`except` of another IP version")
    return allowed, excepted


def _network(text: str) -> Network:
    if not _NETWORK.fullmatch(text) or is_mapped(text):
        raise ValueError("a spelling that network plugins may not read")
    return parse_network(text)


def _is_dns(rule: Node) -> bool:
    ports = [port["port"].value for port in rule["ports"].items() if not port["endPort"]]
    return bool(ports) and len(ports) == len(rule["ports"].value) and all(port == 53 for port in ports)

"""Checks of Services and NetworkPolicies: nothing may open the environment to private networks."""

from __future__ import annotations

from collections.abc import Iterator

from bot.cluster.node import Finding, Node
from bot.model.addresses import non_public_parts, parse_network

_OPEN = "allow only pods of this environment, DNS (port 53) and public addresses"


def service_findings(spec: Node, node_ports: bool) -> Iterator[Finding]:
    """Checks the spec of a Service; `node_ports`: LoadBalancer and NodePort are allowed."""
    if not spec:
        yield spec.finding("a Service requires a `spec`")
    kind = spec["type"].text()
    if kind in ("LoadBalancer", "NodePort") and not node_ports:
        yield spec["type"].finding(
            "environments are reached through their route; remove `type`, which makes it a ClusterIP"
        )
    elif kind not in ("", "ClusterIP", "LoadBalancer", "NodePort"):
        yield spec["type"].finding(f"Services of type {kind} are not allowed; use ClusterIP")
    if spec["externalName"]:
        yield spec["externalName"].finding(
            "a Service must not be an alias for an external name; remove this field"
        )
    for name in ("externalIPs", "loadBalancerIP"):
        if spec[name].value not in (None, [], ""):
            yield spec[name].finding("a Service must not claim an address; remove this field")
    for _, label in spec["selector"].pairs():
        label.text()
    for port in spec["ports"].items():
        if port["nodePort"].value not in (None, 0) and not node_ports:
            yield port["nodePort"].finding("a Service must not claim a port of the nodes; remove this field")


def policy_findings(spec: Node) -> Iterator[Finding]:
    """Checks the spec of a NetworkPolicy.

    Policies are additive: one that allows private networks would override the environment's own policy.
    """
    for rule in spec["egress"].items():
        if _is_dns(rule):
            continue
        if not rule["to"].value:
            yield rule.finding(f"an egress rule without `to` allows private networks; {_OPEN}")
        for peer in rule["to"].items():
            if peer["namespaceSelector"]:
                yield peer["namespaceSelector"].finding(f"this allows other namespaces; {_OPEN}")
            if peer["ipBlock"]:
                yield from _block(peer["ipBlock"])


def _is_dns(rule: Node) -> bool:
    ports = [port["port"].value for port in rule["ports"].items() if not port["endPort"]]
    return bool(ports) and len(ports) == len(rule["ports"].value) and set(ports) <= {53}


def _block(block: Node) -> Iterator[Finding]:
    try:
        allowed = parse_network(block["cidr"].text())
        excepted = [parse_network(text) for text in block["except"].texts()]
    except ValueError:
        yield block.finding("expected networks such as 203.0.113.0/24")
        return
    for network in non_public_parts(allowed, excepted):
        yield block.finding(f"this allows {network}, which is not public; {_OPEN}")

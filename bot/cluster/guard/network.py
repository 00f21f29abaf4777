"""Rules for Services and NetworkPolicies: nothing may open the environment to private networks."""

from __future__ import annotations

from bot.cluster.guard.decisions import Outcome, Refuse, Remove, Scope
from bot.cluster.node import Node
from bot.model.addresses import non_public_parts, parse_network

INSIDE = "environments are reached through their route"
_CLOSED = (
    "a rule may allow only pods of this environment, DNS in the cluster, public addresses and networks of "
    "`GREENROOM_ALLOWED_NETWORKS`"
)


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
        return Refuse("expected networks such as 192.0.2.0/24 in `ipBlock`")
    return None if allowed else Remove(_CLOSED)


def _is_allowed(destination: Node, rule: Node, scope: Scope) -> bool:
    if destination["namespaceSelector"]:
        return _is_dns(rule)
    if not destination["ipBlock"]:
        return bool(destination["podSelector"])
    allowed = parse_network(destination.at("ipBlock", "cidr").text())
    excepted = [parse_network(text) for text in destination.at("ipBlock", "except").texts()]
    excepted += [parse_network(text) for text in scope.policy.allowed_networks]
    return not any(True for _ in non_public_parts(allowed, excepted))


def _is_dns(rule: Node) -> bool:
    ports = [port["port"].value for port in rule["ports"].items() if not port["endPort"]]
    return bool(ports) and len(ports) == len(rule["ports"].value) and set(ports) <= {53}

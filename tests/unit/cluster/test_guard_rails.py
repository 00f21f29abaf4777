"""Namespace, quota, limits and network policy of an environment."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from bot.cluster.guard_rails import guard_rails, namespace_object
from bot.cluster.policy import ClusterPolicy
from bot.model.size import Size
from bot.settings import PodSecurity
from bot.settings.networks import egress_networks, gateway_sources
from tests.unit.cluster.manifests import KEY, NAMESPACE, POLICY, REPOSITORY


def test_namespace_has_ownership_and_pod_security_labels():
    metadata = namespace_object(NAMESPACE, KEY, REPOSITORY, 5, POLICY, 1)["metadata"]
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "greenroom"
    assert metadata["labels"]["greenroom.dev/environment"] == KEY.label
    assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert metadata["annotations"] == {
        "greenroom.dev/repository": "acme/shop",
        "greenroom.dev/installation": "99",
        "greenroom.dev/pull-request": "7",
        "greenroom.dev/generation": "5",
    }


def test_namespace_level_follows_the_policy():
    policy = ClusterPolicy(POLICY.gateway_namespace, POLICY.gateway_name, POLICY.domain, PodSecurity.BASELINE)
    labels = namespace_object(NAMESPACE, KEY, REPOSITORY, 5, policy, 1)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "baseline"


def test_guard_rails_are_ordered_and_labelled():
    rails = guard_rails(NAMESPACE, KEY, Size(), POLICY)
    assert [rail["kind"] for rail in rails] == [
        "ResourceQuota",
        "LimitRange",
        "NetworkPolicy",
        "ServiceAccount",
    ]
    assert {rail["metadata"]["labels"]["greenroom.dev/environment"] for rail in rails} == {KEY.label}
    assert rails[-1]["metadata"]["name"] == "default"
    assert rails[-1]["automountServiceAccountToken"] is False


def _reachable(address: str) -> bool:
    """Whether the network policy lets a pod open a connection to an address outside of the cluster."""
    spec = guard_rails(NAMESPACE, KEY, Size(), POLICY)[2]["spec"]
    address_ = ipaddress.ip_address(address)
    for rule in spec["egress"]:
        if "ports" in rule:
            continue
        for peer in rule["to"]:
            block = peer.get("ipBlock")
            if block and address_ in ipaddress.ip_network(block["cidr"]):
                return not any(address_ in ipaddress.ip_network(network) for network in block["except"])
    return False


def test_network_policy_allows_public_addresses_only():
    assert _reachable("140.82.112.3")
    assert _reachable("2606:50c0:8000::153")
    for address in (
        "10.0.0.1",
        "172.20.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "fd00:ec2::254",
    ):
        assert not _reachable(address), address


def test_network_policy_allows_ingress_from_the_gateway():
    spec = guard_rails(NAMESPACE, KEY, Size(), POLICY)[2]["spec"]
    assert spec["podSelector"] == {}
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    gateway = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateways"}}}
    assert spec["ingress"] == [{"from": [{"podSelector": {}}, gateway]}]


def test_quota_and_limits_follow_the_size():
    quota, limits = guard_rails(NAMESPACE, KEY, Size("20m", "64Mi", "1Gi", "3"), POLICY)[:2]
    assert quota["spec"]["hard"]["requests.cpu"] == "20m"
    assert quota["spec"]["hard"]["requests.storage"] == "1Gi"
    assert quota["spec"]["hard"]["pods"] == "3"
    (container,) = limits["spec"]["limits"]
    assert container["max"] == {"cpu": "20m", "memory": "64Mi", "ephemeral-storage": "3Gi"}
    assert container["defaultRequest"] == {"cpu": "20m", "memory": "64Mi", "ephemeral-storage": "128Mi"}


def test_quota_limits_objects_disk_and_devices():
    policy = replace(POLICY, allowed_resources={"nvidia.com/gpu": "2"})
    hard = guard_rails(NAMESPACE, KEY, Size(), policy)[0]["spec"]["hard"]
    assert hard["requests.ephemeral-storage"] == "40Gi"
    assert hard["requests.nvidia.com/gpu"] == "2"
    assert hard.keys() >= {"count/configmaps", "count/leases.coordination.k8s.io", "count/pods"}
    assert int(hard["count/configmaps"]) <= 200
    assert hard.keys() >= {"count/replicasets.apps", "count/controllerrevisions.apps"}
    # Kubernetes ignores Events in quotas: it would never finish counting them.
    assert not [name for name in hard if "events" in name]
    assert (hard["services.loadbalancers"], hard["services.nodeports"]) == ("0", "0")
    open_policy = replace(POLICY, allowed_fields={"ServiceSpec.type": frozenset()})
    open_hard = guard_rails(NAMESPACE, KEY, Size(), open_policy)[0]["spec"]["hard"]
    assert "services.loadbalancers" not in open_hard


def _rules(policy: ClusterPolicy, fork: bool = False) -> tuple[list[object], list[object]]:
    """Sources and destinations of all ingress and egress rules."""
    policy = policy.within(fork)
    networks = policy.networks_of(REPOSITORY)
    spec = guard_rails(NAMESPACE, KEY, Size(), policy, networks)[2]["spec"]
    return (
        [peer for rule in spec["ingress"] for peer in rule["from"]],
        [peer for rule in spec["egress"] for peer in rule["to"]],
    )


def test_gateway_pods_replace_the_namespace_of_the_gateway():
    text = "traefik/app.kubernetes.io/name=traefik+tier=edge, envoy-system, 10.9.0.0/16"
    policy = replace(POLICY, gateway_pods=gateway_sources(text))
    ingress, egress = _rules(policy)
    selected = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "traefik", "tier": "edge"}},
    }
    whole = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "envoy-system"}}}
    outside = {"ipBlock": {"cidr": "10.9.0.0/16"}}
    assert ingress == [{"podSelector": {}}, selected, whole, outside]
    assert egress[:3] == [{"podSelector": {}}, selected, whole]
    assert outside not in egress, "the gateway's network is not open to environments"


def test_private_networks_are_open_to_their_repository_and_never_to_forks():
    networks = egress_networks(
        "Acme/Shop=10.20.0.0/16,10.30.0.5/32, acme/*=10.40.0.0/24, other/x=10.50.0.0/16"
    )
    policy = replace(POLICY, egress_networks=networks)
    opened = [{"ipBlock": {"cidr": cidr}} for cidr in ("10.20.0.0/16", "10.30.0.5/32", "10.40.0.0/24")]
    assert [peer for peer in _rules(policy)[1] if peer in opened] == opened
    assert {"ipBlock": {"cidr": "10.50.0.0/16"}} not in _rules(policy)[1]
    assert _rules(policy, fork=True) == _rules(POLICY, fork=True)
    assert replace(POLICY, allowed_networks=("10.0.0.0/8",)).within(fork=True).allowed_networks == ()

"""Namespace, quota, limits and network policy of an environment."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from bot.cluster.guard_rails import guard_rails, namespace_object
from bot.cluster.policy import ClusterPolicy
from bot.model.size import Size
from bot.settings import PodSecurity
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

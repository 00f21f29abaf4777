"""Manifests in several namespaces: joined in the environment's, unless they would get in each other's way."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.errors import ManifestRefused
from bot.model.manifest import Bundle
from tests.unit.cluster.manifests import (
    NAMESPACE,
    Object,
    config_map,
    deployment,
    render,
    request,
    service,
)
from tests.unit.cluster.test_transforms import find, in_namespace, objects


def rendered(*manifests: Object) -> Bundle:
    return render(request(deployment(), service(), *manifests))


def component(name: str, url: str = "") -> list[Object]:
    parts = [deployment(name), service(name), config_map(name, url=url)]
    return [in_namespace(name, part) for part in parts]


def policy(labels: Object) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "policy", "namespace": "cart"},
        "spec": {"podSelector": labels, "ingress": [{}]},
    }


def test_components_with_a_namespace_each_share_that_of_the_environment():
    bundle = rendered(*component("cart", "http://orders.orders.svc/x"), *component("orders", "cart.cart:80"))
    assert {manifest["metadata"]["namespace"] for manifest in objects(bundle)} == {NAMESPACE}
    data = {
        manifest["metadata"]["name"]: manifest["data"]["url"]
        for manifest in objects(bundle)
        if manifest["kind"] == "ConfigMap"
    }
    assert data == {"cart": f"http://orders.{NAMESPACE}.svc/x", "orders": f"cart.{NAMESPACE}:80"}
    moved = [note for note in bundle.notes if note.field == "metadata.namespace"]
    assert len(moved) == 6
    assert {note.reason for note in moved} == {
        "the environment has one namespace in place of those of the manifests: cart, orders"
    }


def test_bindings_to_accounts_of_a_joined_namespace_follow():
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "orders"}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}
    in_cart = [in_namespace("cart", part) for part in (role, binding)]
    bundle = rendered(*in_cart, in_namespace("orders", account))
    assert find(bundle, "RoleBinding")["subjects"][0]["namespace"] == NAMESPACE


def selecting(labels: Object) -> Object:
    return in_namespace("orders", service("front", selector=labels))


@pytest.mark.parametrize(
    "manifests",
    [
        [in_namespace("cart", config_map("a")), in_namespace("orders", config_map("a"))],
        [in_namespace("kube-system", config_map("a")), in_namespace("orders", config_map("b"))],
        [*component("cart"), selecting({"app": "cart"})],
        [*component("cart"), *component("orders"), policy({})],
        [*component("cart"), *component("orders"), policy({"matchLabels": {"app": "orders"}})],
    ],
)
def test_namespaces_that_must_stay_apart_are_refused(manifests: list[Any]):
    with pytest.raises(ManifestRefused, match="an environment has one namespace"):
        rendered(*manifests)


def test_a_policy_for_pods_of_its_own_namespace_is_kept():
    bundle = rendered(*component("cart"), *component("orders"), policy({"matchLabels": {"app": "cart"}}))
    assert find(bundle, "NetworkPolicy")["metadata"]["namespace"] == NAMESPACE

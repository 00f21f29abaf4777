"""Objects and fields by which applications get secrets from operators: each granted to a repository."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.cluster.external_secrets import GrantedStores
from bot.cluster.health.health import Surroundings, assess
from bot.cluster.policy import EXTERNAL_SECRET, SECRET_PROVIDER_CLASS, ClusterPolicy
from bot.model.errors import ManifestRefused, Rejected
from bot.model.manifest import Bundle, Condition, Wave
from bot.model.repository import Repository
from bot.model.secret import ExternalReference
from bot.settings.kinds import custom_kinds
from tests.unit.cli.settings import doctor_settings
from tests.unit.cluster.manifests import NAMESPACE, POLICY, Object, deployment, render, request, service

OWNER = request(deployment()).repository.owner
GRANTED = replace(
    POLICY,
    secret_stores={f"{OWNER}/*": ("vault",)},
    runtime_secrets={f"{OWNER}/*": ("vault-agent", "csi", "audience:vault")},
    allowed_kinds=(
        EXTERNAL_SECRET,
        *custom_kinds(
            "sealedsecrets.bitnami.com/v1alpha1=SealedSecret,secretstores.external-secrets.io/v1=SecretStore"
        ),
    ),
)
CLUSTER_WIDE = {"sealedsecrets.bitnami.com/cluster-wide": "true"}


def rendered(*manifests: Object, policy: Any = GRANTED, **changes: Any) -> Bundle:
    return render(request(deployment(), service(), *manifests, **changes), policy)


def refusal(*manifests: Object, policy: Any = GRANTED, **changes: Any) -> str:
    with pytest.raises(ManifestRefused) as refused:
        rendered(*manifests, policy=policy, **changes)
    return str(refused.value)


def external(store: str = "vault", kind: str = "ClusterSecretStore", **fields: Any) -> Object:
    spec = {"secretStoreRef": {"name": store, "kind": kind}, "data": [], **fields}
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "mail"},
        "spec": spec,
    }


def sealed(namespace: str = "", **annotations: str) -> Object:
    placed = {"namespace": namespace} if namespace else {}
    metadata = {"name": "stripe", "annotations": annotations, **placed}
    spec = {"encryptedData": {"TOKEN": "AgB"}, "template": {"metadata": {"name": "stripe"}}}
    return {
        "apiVersion": "bitnami.com/v1alpha1",
        "kind": "SealedSecret",
        "metadata": metadata,
        "spec": spec,
    }


def test_store_is_granted_to_repositories() -> None:
    stores = GrantedStores(GRANTED)
    shop = Repository(1, 2, OWNER, "shop")
    assert stores.resolve("vault/kv/mail#password", shop) == ExternalReference("vault", "kv/mail", "password")
    for path, repository in (("aws/mail", shop), ("vault/mail", Repository(3, 4, "other", "shop"))):
        with pytest.raises(Rejected, match="GREENROOM_SECRET_STORES does not grant"):
            stores.resolve(path, repository)
    with pytest.raises(Rejected, match="must be STORE/KEY"):
        stores.resolve("vault", shop)


def test_references_become_one_external_secret_that_pods_use() -> None:
    references = {"TOKEN": ExternalReference("vault", "kv/mail", "password")}
    bundle = rendered(external=references, external_values="1")
    [made] = [item for item in bundle.waves[Wave.CONFIGURATION] if item["kind"] == "ExternalSecret"]
    name = made["metadata"]["name"]
    assert made["spec"]["data"] == [
        {
            "secretKey": "TOKEN",
            "remoteRef": {"key": "kv/mail", "property": "password"},
            "sourceRef": {"storeRef": {"kind": "ClusterSecretStore", "name": "vault"}},
        }
    ]
    [shop] = [item for item in bundle.waves[Wave.WORKLOADS] if item["kind"] == "Deployment"]
    assert {"secretRef": {"name": name}} in shop["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    assert bundle.external == name
    changed = rendered(external=references, external_values="2")
    assert changed.release.id != bundle.release.id, "a rotated value replaces pods"


def test_external_secret_in_manifests_reads_granted_stores_only() -> None:
    assert rendered(external()).makes_secrets
    assert "does not grant this store" in refusal(external("aws"))
    assert "the operator defines stores" in refusal(external(kind="SecretStore"))
    entry = {"sourceRef": {"storeRef": {"name": "aws", "kind": "ClusterSecretStore"}}}
    assert "does not grant this store" in refusal(external(secretStoreRef=None, data=[entry]))
    generated = [{"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}}]
    assert "generators act with rights of their own" in refusal(external(dataFrom=generated))
    token = {"template": {"type": "kubernetes.io/service-account-token"}}
    assert "credentials for the cluster" in refusal(external(target=token))


@pytest.mark.parametrize("target", ["Labels", "Annotations", "annotations", "metadata.finalizers"])
def test_template_writes_only_the_data_of_a_secret(target: str) -> None:
    """The guard cannot judge labels and annotations that a template writes."""
    source = {"target": target, "literal": "argocd.argoproj.io/secret-type: cluster"}
    manifest = external(target={"template": {"templateFrom": [{"literal": "a: b"}, source]}})
    message = refusal(manifest)
    assert "spec.target.template.templateFrom[1].target" in message
    assert "only the data of a Secret" in message
    source["target"] = "Data"
    rendered(manifest)


def test_external_secret_makes_no_object_of_another_kind() -> None:
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}
    assert "makes Secrets only" in refusal(external(target={"manifest": binding}))


@pytest.mark.parametrize("policy", ["Orphan", "Merge", "None"])
def test_secret_belongs_to_its_external_secret_so_that_its_values_are_hidden(policy: str) -> None:
    assert "use `creationPolicy: Owner`" in refusal(external(target={"creationPolicy": policy}))
    assert rendered(external(target={"creationPolicy": "Owner"})).makes_secrets


def test_store_in_manifests_is_refused() -> None:
    store = {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "vault"}}
    assert "the operator defines stores" in refusal({**store, "spec": {}})


def test_seal_opens_where_it_was_sealed_for() -> None:
    assert rendered(sealed(**CLUSTER_WIDE)).makes_secrets
    assert rendered(sealed(NAMESPACE)).makes_secrets
    moved = sealed("shop-production", **CLUSTER_WIDE)
    moved["spec"]["template"]["metadata"]["namespace"] = "shop-production"
    [seal] = [item for item in rendered(moved).waves[Wave.CONFIGURATION] if item["kind"] == "SealedSecret"]
    assert seal["metadata"]["namespace"] == NAMESPACE
    assert seal["spec"]["template"]["metadata"]["namespace"] == NAMESPACE
    reason = refusal(sealed("shop-production"))
    assert "sealed for namespace shop-production" in reason
    assert "seal it cluster-wide for previews" in reason
    assert "sealed for one namespace" in refusal(sealed())


def test_seal_needs_a_kind_that_the_operator_allows() -> None:
    reason = refusal(sealed(**CLUSTER_WIDE), policy=replace(GRANTED, allowed_kinds=()))
    assert "GREENROOM_ALLOWED_KINDS" in reason
    bundle = rendered(sealed(**CLUSTER_WIDE), fork=True)
    assert not bundle.makes_secrets


def test_changed_seal_replaces_pods_that_use_it() -> None:
    pods = deployment()
    pods["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "stripe"}}]
    first, second = (sealed(**CLUSTER_WIDE) for _ in range(2))
    second["spec"]["encryptedData"]["TOKEN"] = "AgC"
    ids = {render(request(pods, service(), seal), GRANTED).release.id for seal in (first, second)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("status", "condition", "message"),
    [
        ({}, Condition.PROGRESSING, "waiting for its controller"),
        ({"conditions": [{"type": "Synced", "status": "True"}]}, Condition.READY, ""),
        (
            {"conditions": [{"type": "Synced", "status": "False", "message": "no key could decrypt secret"}]},
            Condition.FAILED,
            "no key could decrypt secret",
        ),
        (
            {"observedGeneration": 1, "conditions": [{"type": "Synced", "status": "True"}]},
            Condition.PROGRESSING,
            "waiting for its controller",
        ),
    ],
)
def test_health_is_what_the_controller_reports(status: Object, condition: Condition, message: str) -> None:
    [seal] = [
        item
        for item in rendered(sealed(**CLUSTER_WIDE)).waves[Wave.CONFIGURATION]
        if item["kind"] == "SealedSecret"
    ]
    live = {**seal, "metadata": {**seal["metadata"], "generation": 2}, "status": status}
    health = assess(seal, live, Surroundings())
    assert (health.condition, health.message) == (condition, message)


def test_ways_to_read_secrets_at_runtime_are_granted() -> None:
    agent = {"vault.hashicorp.com/agent-inject": "true"}
    volume = {"name": "s", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": True}}
    source = {"serviceAccountToken": {"audience": "vault", "path": "t"}}
    token = {"name": "t", "projected": {"sources": [source]}}
    pods = deployment()
    pods["spec"]["template"]["metadata"]["annotations"] = agent
    pods["spec"]["template"]["spec"]["volumes"] = [volume, token]
    bundle = render(request(pods, service()), GRANTED)
    [kept] = [item for item in bundle.waves[Wave.WORKLOADS] if item["kind"] == "Deployment"]
    assert kept["spec"]["template"]["metadata"]["annotations"].items() >= agent.items()
    assert kept["spec"]["template"]["spec"]["volumes"] == [volume, token]
    with pytest.raises(ManifestRefused) as refused:
        render(request(pods, service()), POLICY)
    for way in ("vault-agent", "csi", "audience:vault"):
        assert f"`GREENROOM_RUNTIME_SECRETS` (`{way}`)" in str(refused.value)
    with pytest.raises(ManifestRefused) as refused:
        render(request(pods, service(), fork=True), GRANTED)
    assert str(refused.value).count("environments of forks get no secrets") == 3
    assert "ask the operator" not in str(refused.value)


def provider_class(**fields: Any) -> Object:
    return {
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": "stripe"},
        "spec": {"provider": "vault", "parameters": {"roleName": "shop"}, **fields},
    }


def test_class_of_the_secrets_store_driver_needs_its_way() -> None:
    allowed = replace(GRANTED, allowed_kinds=(*GRANTED.allowed_kinds, SECRET_PROVIDER_CLASS))
    assert rendered(provider_class(), policy=allowed)
    others = replace(allowed, runtime_secrets={"other/shop": ("csi",)})
    assert "`GREENROOM_RUNTIME_SECRETS` (`csi`)" in refusal(provider_class(), policy=others)
    token = [{"secretName": "login", "type": "kubernetes.io/service-account-token"}]
    assert "credentials for the cluster" in refusal(provider_class(secretObjects=token), policy=allowed)
    own = [{"secretName": "greenroom-secrets", "type": "Opaque"}]
    assert "belong to objects of Greenroom" in refusal(provider_class(secretObjects=own), policy=allowed)


def test_settings_bring_the_kinds_that_they_need() -> None:
    settings = doctor_settings(runtime_secrets="acme/*=csi", secret_stores="acme/*=vault")
    assert ClusterPolicy.of(settings).allowed_kinds == (EXTERNAL_SECRET, SECRET_PROVIDER_CLASS)
    assert ClusterPolicy.of(doctor_settings(runtime_secrets="acme/*=vault-agent")).allowed_kinds == ()


def test_secrets_store_driver_reads_no_secret_of_the_environment() -> None:
    pods = deployment()
    driver = {"driver": "secrets-store.csi.k8s.io", "nodePublishSecretRef": {"name": "shop"}}
    pods["spec"]["template"]["spec"]["volumes"] = [{"name": "s", "csi": driver}]
    with pytest.raises(ManifestRefused, match="remove `nodePublishSecretRef`"):
        render(request(pods, service()), GRANTED)

"""Transforms of manifests before the guard, and their notes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.cluster.names import CONFIG, pull_secret_name
from bot.model.errors import ManifestRefused
from bot.model.image_reference import split_reference
from bot.model.manifest import Bundle, Manifest
from bot.model.notes import Effect
from bot.model.release import Image
from tests.unit.cluster.manifests import (
    NAMESPACE,
    POLICY,
    SHOP,
    Object,
    config_map,
    deployment,
    files,
    render,
    request,
    service,
)


def rendered(*manifests: Object, **changes: Any) -> Bundle:
    return render(request(deployment(), service(), *manifests, **changes))


def objects(bundle: Bundle) -> list[Manifest]:
    """The objects of the manifests."""
    everything = [manifest for wave in bundle.waves.values() for manifest in wave]
    return [manifest for manifest in everything if manifest["metadata"]["name"] != CONFIG]


def find(bundle: Bundle, kind: str) -> Any:
    [manifest] = [manifest for manifest in objects(bundle) if manifest["kind"] == kind]
    return manifest


def notes(bundle: Bundle) -> list[tuple[str, str, str, str]]:
    return [(note.effect.value, note.object, note.field, note.value) for note in bundle.notes]


def in_namespace(namespace: str, manifest: Object) -> Object:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


def custom(kind: str, api_version: str, name: str = "shop") -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": {}}


@pytest.mark.parametrize(
    ("kind", "api_version"),
    [
        ("ServiceMonitor", "monitoring.coreos.com/v1"),
        ("PrometheusRule", "monitoring.coreos.com/v1"),
        ("PodMonitor", "azmonitoring.coreos.com/v1"),
        ("Telemetry", "telemetry.istio.io/v1"),
        ("Certificate", "cert-manager.io/v1"),
        ("VirtualService", "networking.istio.io/v1beta1"),
        ("IngressRoute", "traefik.io/v1alpha1"),
        ("TrafficSplit", "split.smi-spec.io/v1alpha1"),
        ("TargetGroupBinding", "elbv2.k8s.aws/v1beta1"),
        ("HealthCheckPolicy", "networking.gke.io/v1"),
        ("SecurityContextConstraints", "security.openshift.io/v1"),
        ("ImageStream", "image.openshift.io/v1"),
        ("ResourceQuota", "v1"),
        ("LimitRange", "v1"),
        ("PersistentVolume", "v1"),
        ("StorageClass", "storage.k8s.io/v1"),
        ("PriorityClass", "scheduling.k8s.io/v1"),
        ("PodSecurityPolicy", "policy/v1beta1"),
        ("Application", "argoproj.io/v1alpha1"),
        ("Namespace", "v1"),
        ("Ingress", "networking.k8s.io/v1"),
    ],
)
def test_kinds_that_no_environment_needs_are_left_out(kind: str, api_version: str):
    bundle = rendered(custom(kind, api_version))
    assert kind not in {manifest["kind"] for manifest in objects(bundle)}
    assert notes(bundle) == [("left out", f"{kind}/shop", "", "")]


def deployed(bundle: Bundle) -> Any:
    return next(
        manifest
        for manifest in objects(bundle)
        if (manifest["kind"], manifest["metadata"]["name"]) == ("Deployment", "orders")
    )


@pytest.mark.parametrize(
    ("kind", "api_version", "more"),
    [
        ("ReplicaSet", "apps/v1", {}),
        ("Rollout", "argoproj.io/v1alpha1", {"strategy": {"canary": {"steps": []}}}),
        ("DeploymentConfig", "apps.openshift.io/v1", {"triggers": [{"type": "ConfigChange"}]}),
    ],
)
def test_workloads_of_other_kinds_become_deployments(kind: str, api_version: str, more: Object):
    manifest = {**deployment("orders"), "kind": kind, "apiVersion": api_version}
    manifest["spec"] = {**manifest["spec"], **more}
    bundle = rendered(manifest)
    assert deployed(bundle)["spec"]["selector"] == deployment("orders")["spec"]["selector"]
    assert notes(bundle)[0] == ("rewritten", f"{kind}/orders", "kind", "Deployment")


def test_the_labels_select_the_pods_of_a_replication_controller():
    manifest = {**deployment("orders"), "kind": "ReplicationController", "apiVersion": "v1"}
    template = manifest["spec"]["template"]
    manifest["spec"] = {"replicas": 2, "template": template}
    changed = deployed(rendered(manifest))["spec"]
    assert changed["selector"] == {"matchLabels": template["metadata"]["labels"]}
    assert changed["replicas"] == 2


def test_an_image_with_an_invalid_name_is_refused():
    manifest = deployment("orders")
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "<REGISTRY>/orders:1"
    with pytest.raises(ManifestRefused, match="this is not the name of an image"):
        rendered(manifest)


def test_an_autoscaler_follows_the_workload_that_is_replaced():
    manifest = {**deployment("orders"), "kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1"}
    target = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "orders"}
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "orders"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 2},
    }
    changed = find(rendered(manifest, autoscaler), "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert changed == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "orders"}


@pytest.mark.parametrize(
    ("kind", "api_version"),
    [
        ("Rollout", "argoproj.io/v1alpha1"),
        ("ServiceMonitor", "example.com/v1"),
        ("Kafka", "kafka.strimzi.io/v1"),
    ],
)
def test_workloads_and_unknown_kinds_are_refused(kind: str, api_version: str):
    with pytest.raises(ManifestRefused, match=r"`manifests\.ignore: \["):
        rendered(custom(kind, api_version))


@pytest.mark.parametrize(
    "pattern", ["Kafka", "kafka.strimzi.io/*", "*.strimzi.io/*", "Kafka.kafka.strimzi.io"]
)
def test_ignored_kinds_are_left_out(pattern: str):
    bundle = rendered(custom("Kafka", "kafka.strimzi.io/v1"), ignored_kinds=(pattern,))
    assert notes(bundle) == [("left out", "Kafka/shop", "", "")]


def test_the_one_namespace_of_the_manifests_becomes_the_environments():
    account = in_namespace("shop", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}})
    role = custom("Role", "rbac.authorization.k8s.io/v1", "reader")
    del role["spec"]
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "b", "namespace": "shop"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "shop"}],
    }
    bundle = rendered(account, role, binding)
    assert {manifest["metadata"]["namespace"] for manifest in objects(bundle)} == {NAMESPACE}
    assert find(bundle, "RoleBinding")["subjects"][0]["namespace"] == NAMESPACE
    assert ("rewritten", "RoleBinding/b", "subjects[0].namespace", NAMESPACE) in notes(bundle)
    assert ("rewritten", "ServiceAccount/a", "metadata.namespace", NAMESPACE) in notes(bundle)


def with_text(text: str) -> Object:
    manifest = deployment("worker")
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container |= {"env": [{"name": "URL", "value": text}], "args": ["--url", text]}
    return manifest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://shop.prod.svc:80/x", f"http://shop.{NAMESPACE}.svc:80/x"),
        ("shop.prod.svc.cluster.local", f"shop.{NAMESPACE}.svc.cluster.local"),
        ("postgres://u:p@shop.prod.svc/db", f"postgres://u:p@shop.{NAMESPACE}.svc/db"),
        (
            "shop-0.shop.prod.svc,shop-1.shop.prod.svc",
            f"shop-0.shop.{NAMESPACE}.svc,shop-1.shop.{NAMESPACE}.svc",
        ),
        ("shop.prod:80", f"shop.{NAMESPACE}:80"),
        ("cache.prod.svc", f"cache.{NAMESPACE}.svc"),
    ],
)
def test_names_of_own_services_are_rewritten(text: str, expected: str):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    secret["data"] = {"url": base64.b64encode(text.encode()).decode()}
    bundle = rendered(in_namespace("prod", config_map("c", url=text)), with_text(text), secret)
    assert find(bundle, "ConfigMap")["data"]["url"] == expected
    assert base64.b64decode(find(bundle, "Secret")["data"]["url"]).decode() == expected
    [worker] = [manifest for manifest in objects(bundle) if manifest["metadata"]["name"] == "worker"]
    [container] = worker["spec"]["template"]["spec"]["containers"]
    assert (container["env"][0]["value"], container["args"][1]) == (expected, expected)
    place = "spec.template.spec.containers[0]"
    assert ("rewritten", "Deployment/worker", f"{place}.env[0].value", "") in notes(bundle)
    assert ("rewritten", "Deployment/worker", f"{place}.args[1]", "") in notes(bundle)


@pytest.mark.parametrize(
    "text", ["shop.example.com", "shop.prod.svc-x", "a.shop.prod", "1.2", "shop.prodigy"]
)
def test_other_names_are_unchanged(text: str):
    bundle = rendered(in_namespace("prod", config_map("c", url=text)))
    assert find(bundle, "ConfigMap")["data"]["url"] == text


def test_services_of_other_namespaces_are_noted():
    bundle = rendered(config_map("c", url="http://vault.security.svc:8200"))
    assert find(bundle, "ConfigMap")["data"]["url"] == "http://vault.security.svc:8200"
    assert notes(bundle) == [("kept", "ConfigMap/c", "data.url", "vault.security")]


@pytest.mark.parametrize(
    ("spec", "metrics"),
    [
        ({"targetCPUUtilizationPercentage": 70}, 70),
        ({}, None),
    ],
)
def test_autoscaler_of_an_older_version_is_translated(spec: Mapping[str, int], metrics: int | None):
    scaler = custom("HorizontalPodAutoscaler", "autoscaling/v1")
    scaler["spec"] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
        "maxReplicas": 3,
        **spec,
    }
    bundle = rendered(scaler)
    translated = find(bundle, "HorizontalPodAutoscaler")
    assert translated["apiVersion"] == "autoscaling/v2"
    targets = [
        metric["resource"]["target"]["averageUtilization"] for metric in translated["spec"].get("metrics", ())
    ]
    assert targets == ([metrics] if metrics else [])
    assert notes(bundle) == [("rewritten", "HorizontalPodAutoscaler/shop", "apiVersion", "autoscaling/v2")]


def test_generated_names_become_fixed_ones():
    def unnamed(data: str) -> Object:
        manifest = config_map("x", key=data)
        manifest["metadata"] = {"generateName": "settings-"}
        return manifest

    bundle = rendered(unnamed("a"), unnamed("b"))
    names = sorted(m["metadata"]["name"] for m in objects(bundle) if m["kind"] == "ConfigMap")
    assert names == ["settings", "settings-2"]
    assert {note.effect for note in bundle.notes} == {Effect.GENERATED}


def test_objects_that_nothing_creates_are_named():
    manifest = deployment(
        "worker",
        serviceAccountName="robot",
        imagePullSecrets=[{"name": "registry"}],
        volumes=[
            {"name": "a", "secret": {"secretName": "tls"}},
            {"name": "b", "configMap": {"name": "present"}},
            {"name": "c", "persistentVolumeClaim": {"claimName": "uploads"}},
            {"name": "d", "configMap": {"name": "extra", "optional": True}},
            {"name": "e", "projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}]}},
        ],
    )
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container["envFrom"] = [{"configMapRef": {"name": "settings"}}]
    container["env"] = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "a"}}}]
    bundle = rendered(manifest, config_map("present"), config={"COLOUR": "blue"}, secrets="digest")
    assert {effect for effect, *_ in notes(bundle)} == {"missing"}
    assert sorted(name for _, name, *_ in notes(bundle)) == [
        "ConfigMap/settings",
        "PersistentVolumeClaim/uploads",
        "Secret/keys",
        "Secret/registry",
        "Secret/tls",
        "ServiceAccount/robot",
    ]


def test_services_lose_what_opens_them():
    opened = service("open", type="LoadBalancer", externalIPs=["192.0.2.1"], loadBalancerIP="192.0.2.2")
    opened["spec"]["ports"] = [{"port": 80, "nodePort": 30080}]
    bundle = rendered(opened)
    [spec] = [m["spec"] for m in objects(bundle) if m["metadata"]["name"] == "open"]
    assert spec == {"selector": {"app": "open"}, "ports": [{"port": 80}]}
    fields = [field for _, _, field, _ in notes(bundle)]
    assert set(fields) == {"spec.type", "spec.externalIPs", "spec.loadBalancerIP", "spec.ports[0].nodePort"}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("deploy/docker-compose.yml", b"services: {web: {image: nginx}}"),
        ("deploy/compose.override.yaml", b"{a: [}"),
        ("deploy/values.yaml", b"replicas: 2\nimage: {tag: x}"),
        ("deploy/kustomization.yaml", b"resources: [all.yaml]"),
        ("deploy/kustomization.yaml", b"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization"),
    ],
)
def test_files_of_other_tools_are_left_out(path: str, content: bytes):
    beside = {**files(deployment(), service()), path: content}
    bundle = render(request(files=beside))
    assert notes(bundle) == [("left out", path, "", "")]


def test_charts_beside_the_manifests_are_left_out():
    chart = {"deploy/chart/Chart.yaml": b"name: c", "deploy/chart/templates/a.yaml": b"{{ .Values.a }}"}
    bundle = render(request(files={**files(deployment(), service()), **chart}))
    assert [note.object for note in bundle.notes] == sorted(chart)


@pytest.mark.parametrize("content", [b"kind: Service", b"apiVersion: v1", b"metadata: {name: a}", b"- a"])
def test_objects_with_mistakes_are_still_refused(content: bytes):
    with pytest.raises(ManifestRefused, match=r"deploy/b\.yaml:1"):
        render(request(files={**files(deployment(), service()), "deploy/b.yaml": content}))


@pytest.mark.parametrize("paths", [("deploy/all.yaml",), ("deploy/a*.yaml",), ("none/..", "deploy")])
def test_plain_manifests_are_files_folders_and_patterns(paths: tuple[str, ...]):
    beside = {**files(deployment(), service()), "deploy/b.yaml": b"kind: broken", "none/../c.yaml": b""}
    if "deploy" in paths:
        del beside["deploy/b.yaml"]
    assert find(render(request(files=beside, paths=paths)), "Deployment")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("acme/web:2", "acme/web"),
        ("docker.io/acme/web", "acme/web:latest"),
        ("web", "docker.io/library/web"),
        ("localhost:5000/web:dev", "localhost:5000/web"),
        (f"web@{'sha256:' + 'b' * 64}", "web"),
    ],
)
def test_image_has_another_name_in_the_manifests(written: str, name: str):
    image = Image("ghcr.io/acme/web", "sha256:" + "d" * 64)
    manifest = deployment("web")
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = written
    names = {"web": split_reference(name)[0]}
    bundle = rendered(manifest, images={"shop": SHOP, "web": image}, image_names=names)
    [web] = [m for m in objects(bundle) if m["metadata"]["name"] == "web"]
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == image.reference


GRANTED = replace(POLICY, pull_secrets={"acme/*": ("registries/ghcr",), "acme/web": ("registries/quay",)})
GHCR = pull_secret_name("registries/ghcr")


def pull_secrets(bundle: Bundle, name: str) -> list[str]:
    holders = [m for m in objects(bundle) if m["kind"] in ("Deployment", "ServiceAccount")]
    [manifest] = [m for m in holders if m["metadata"]["name"] == name]
    holder = manifest["spec"]["template"]["spec"] if manifest["kind"] == "Deployment" else manifest
    return [reference["name"] for reference in holder.get("imagePullSecrets") or []]


def test_operators_pull_secrets_take_the_place_of_absent_ones():
    own = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "own"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": "{}"},
    }
    robot = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "robot"},
        "imagePullSecrets": [{"name": "absent"}],
    }
    worker = deployment("worker", imagePullSecrets=[{"name": "own"}, {"name": "absent"}])
    plain = deployment("plain")
    bundle = render(request(deployment(), service(), own, robot, worker, plain), policy=GRANTED)
    assert pull_secrets(bundle, "plain") == [GHCR]
    assert pull_secrets(bundle, "worker") == ["own", GHCR]
    assert pull_secrets(bundle, "robot") == [GHCR]
    assert notes(bundle) == [
        ("rewritten", "ServiceAccount/robot", "imagePullSecrets", ""),
        ("rewritten", "Deployment/worker", "spec.template.spec.imagePullSecrets", ""),
    ]
    assert bundle.pull_secrets == ("registries/ghcr",)


def test_a_fork_is_shown_that_pull_secrets_are_withheld():
    bundle = render(request(deployment(), service(), fork=True), policy=GRANTED)
    [note] = [note for note in bundle.notes if "private registries" in note.reason]
    assert (note.effect, note.object, note.field) == (Effect.LEFT_OUT, "Deployment/shop", "imagePullSecrets")
    assert note.in_comment
    others = render(request(deployment(), service(), fork=True), policy=POLICY)
    assert not any("private registries" in note.reason for note in others.notes)


def test_fork_and_other_repositories_get_no_pull_secrets():
    others = replace(POLICY, pull_secrets={"acme/web": ("registries/quay",)})
    for bundle in (
        render(request(deployment(), service(), fork=True), policy=GRANTED),
        render(request(deployment(), service()), policy=others),
    ):
        assert (pull_secrets(bundle, "shop"), bundle.pull_secrets) == ([], ())


def test_pull_secrets_of_accounts_that_nothing_creates_are_named():
    robot = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "robot"},
        "imagePullSecrets": [{"name": "absent"}],
    }
    assert notes(rendered(robot)) == [("missing", "Secret/absent", "", "")]


def test_an_object_that_is_written_twice_is_applied_once():
    worker = deployment("orders")
    bundle = rendered(worker, worker)
    assert deployed(bundle)["spec"]["replicas"] == 2
    assert notes(bundle) == [("left out", "Deployment/orders", "", "")]


def test_two_different_objects_with_one_name_are_refused():
    with pytest.raises(ManifestRefused, match="already defined"):
        rendered(config_map("settings", a="1"), config_map("settings", a="2"))

"""Hostile objects: what the guard refuses with which reason, and what it removes."""

from __future__ import annotations

import string
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cluster.guard.check import check
from bot.cluster.guard.metadata import OBEYED_PREFIXES
from bot.cluster.manifests import Source, read
from bot.model.errors import ManifestRefused
from tests.unit.cluster.guarding import (
    CLAIM,
    CONTAINER,
    CRON,
    POD,
    POLICY_OBJECT,
    changes,
    guard,
    put,
    refusal,
    rule,
)
from tests.unit.cluster.manifests import (
    NAMESPACE,
    POLICY,
    Object,
    config_map,
    deployment,
    service,
    stateful_set,
)

TEMPLATE = "spec.template.metadata"
CRON_POD = "spec.jobTemplate.spec.template"
CLAIM_TEMPLATE = "spec.volumeClaimTemplates[0]"
EPHEMERAL = f"{POD}.volumes[0].ephemeral.volumeClaimTemplate"
FINALIZERS = ["example.com/never"]
OWNERS = [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1", "blockOwnerDeletion": True}]
DELETION = "could block the deletion"
CONTROLLERS = "owners are set by controllers"
NAMESPACE_FIELD = "an environment has one namespace"
OWN = "are reserved"
UNKNOWN = "Kubernetes has no such field"
SECRET: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
ACCOUNT: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}
BUDGET: Object = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "b"},
    "spec": {"selector": {"matchLabels": {"app": "shop"}}, "unhealthyPodEvictionPolicy": "AlwaysAllow"},
}
JOB: Object = {**deployment(), "apiVersion": "batch/v1", "kind": "Job"}
JOB["spec"] = {"template": JOB["spec"]["template"]}

REFUSED: list[tuple[Object, str, object, str]] = [
    (deployment(), f"{TEMPLATE}.finalizers", FINALIZERS, DELETION),
    (stateful_set(), f"{TEMPLATE}.finalizers", FINALIZERS, DELETION),
    (stateful_set(), f"{CLAIM_TEMPLATE}.metadata.finalizers", FINALIZERS, DELETION),
    (deployment(), f"{EPHEMERAL}.metadata.finalizers", FINALIZERS, DELETION),
    (CRON, "spec.jobTemplate.metadata.finalizers", FINALIZERS, DELETION),
    (CRON, f"{CRON_POD}.metadata.finalizers", FINALIZERS, DELETION),
    (JOB, f"{TEMPLATE}.ownerReferences", OWNERS, CONTROLLERS),
    (CRON, "spec.jobTemplate.metadata.ownerReferences", OWNERS, CONTROLLERS),
    (stateful_set(), f"{CLAIM_TEMPLATE}.metadata.ownerReferences", OWNERS, CONTROLLERS),
    (CRON, "spec.jobTemplate.metadata.labels", {"greenroom.dev/job": "seed"}, OWN),
    (CRON, f"{CRON_POD}.metadata.labels", {"greenroom.dev/release": "x"}, OWN),
    (stateful_set(), f"{CLAIM_TEMPLATE}.metadata.labels", {"greenroom.dev/environment": "x"}, OWN),
    (deployment(), f"{EPHEMERAL}.metadata.labels", {"greenroom.dev/environment": "x"}, OWN),
    (deployment(), f"{TEMPLATE}.annotations", {"greenroom.dev/template": "x"}, OWN),
    (CRON, "spec.jobTemplate.metadata.labels", {"app.kubernetes.io/managed-by": "greenroom"}, "is reserved"),
    (CRON, "spec.jobTemplate.metadata.namespace", "kube-system", NAMESPACE_FIELD),
    (stateful_set(), f"{CLAIM_TEMPLATE}.metadata.namespace", "kube-system", NAMESPACE_FIELD),
    (config_map(), "metadata.generateName", "shop-", "requires a fixed name"),
    (CLAIM, "spec.dataSource", {"kind": "VolumeSnapshot", "name": "x"}, "begins with an empty volume"),
    (CLAIM, "spec.dataSourceRef", {"kind": "Backup", "name": "x"}, "begins with an empty volume"),
    (deployment(), f"{CONTAINER}.resources.limits", {"nvidia.com/gpu": 64}, "GREENROOM_ALLOWED_RESOURCES"),
    (deployment(), f"{CONTAINER}.resources.requests", {"hugepages-2Mi": "1Gi"}, "not allowed; allowed: cpu"),
    (deployment(), f"{POD}.resources.limits", {"example.com/fpga": "1"}, "not allowed; allowed: cpu"),
    (deployment(), f"{POD}.resourceClaims", [{"name": "gpu"}], "devices of nodes"),
    (deployment(), f"{POD}.os.name", "windows", "pods run on Linux"),
    (deployment(), f"{POD}.volumes[0].image", {"reference": "x"}, "this volume type is not allowed"),
    (deployment(), f"{POD}.volumes[0].gitRepo", {"repository": "x"}, "this volume type is not allowed"),
    (
        deployment(),
        f"{POD}.volumes[0].projected.sources[0].podCertificate",
        {"signerName": "x"},
        "this source is not allowed",
    ),
    (deployment(), f"{CONTAINER}.startupProbe.httpGet.host", "10.0.0.1", "address their own pod"),
    (
        deployment(),
        f"{CONTAINER}.volumeMounts[0]",
        {"name": "v", "mountPath": "/", "mountPropagation": "Bidirectional"},
        "visible on the node",
    ),
    (
        deployment(),
        f"{POD}.securityContext.windowsOptions.gmsaCredentialSpecName",
        "x",
        "credentials of the cluster",
    ),
    (deployment(), f"{POD}.securityContext.seLinuxOptions.role", "system_r", "SELinux roles"),
    (service(), "spec.externalName", "kubernetes.default.svc", "alias for an external name"),
    (SECRET, "type", "kubernetes.io/service-account-token", "long-lived tokens"),
    (POLICY_OBJECT, "spec.egress", [{"to": [{"ipBlock": {"cidr": "nonsense"}}]}], "expected networks"),
    (deployment(), f"{CONTAINER}.prots", [{"containerPort": 80}], "did you mean `ports`?"),
    (deployment(), f"{POD}.volumes[0].hostpath", {"path": "/"}, "did you mean `hostPath`?"),
    (config_map(), "date", {}, UNKNOWN),
    (config_map(), "spec", {}, UNKNOWN),
    (config_map(), "data", {"a": {"b": "c"}}, "expected a single value"),
    (deployment(), f"{TEMPLATE}.annotations", {"a": 1}, 'expected a string; quote the value: "1"'),
    (config_map(), "metadata.labels", {"a": False}, "unquoted `n`, `no`, `off` and `false` are booleans"),
    (config_map(), "metadata.labels", {"a": True}, "unquoted `y`, `yes`, `on` and `true` are booleans"),
    (deployment(), "spec.revisionHistoryLimit", "many", "expected a whole number"),
    (deployment(), f"{POD}.terminationGracePeriodSeconds", "1h", "whole number of seconds"),
]

REMOVED: list[tuple[Object, str, object, str]] = [
    (
        service(),
        "metadata.annotations",
        {"external-dns.alpha.kubernetes.io/hostname": "www.example.com"},
        'Service/shop metadata.annotations["external-dns.alpha.kubernetes.io/hostname"]',
    ),
    (
        deployment(),
        f"{TEMPLATE}.annotations",
        {"iam.amazonaws.com/role": "admin"},
        f'Deployment/shop {TEMPLATE}.annotations["iam.amazonaws.com/role"]',
    ),
    (
        CRON,
        f"{CRON_POD}.metadata.labels",
        {"azure.workload.identity/use": "true"},
        f'CronJob/nightly {CRON_POD}.metadata.labels["azure.workload.identity/use"]',
    ),
    (
        ACCOUNT,
        "metadata.annotations",
        {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/admin"},
        'ServiceAccount/a metadata.annotations["eks.amazonaws.com/role-arn"]',
    ),
    (
        CLAIM,
        "metadata.annotations",
        {"volume.beta.kubernetes.io/storage-class": "retained"},
        'PersistentVolumeClaim/p metadata.annotations["volume.beta.kubernetes.io/storage-class"]',
    ),
    (
        deployment(),
        f"{TEMPLATE}.annotations",
        {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
        f'Deployment/shop {TEMPLATE}.annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"]',
    ),
    (
        service(),
        "metadata.labels",
        {"service.kubernetes.io/service-proxy-name": "x"},
        'Service/shop metadata.labels["service.kubernetes.io/service-proxy-name"]',
    ),
    (
        stateful_set(),
        CLAIM_TEMPLATE,
        {"metadata": {"name": "data"}, "spec": {"storageClassName": "other"}},
        f"StatefulSet/db {CLAIM_TEMPLATE}.spec.storageClassName",
    ),
    (CLAIM, "spec.storageClassName", "other", "PersistentVolumeClaim/p spec.storageClassName"),
    (CLAIM, "spec.storageClassName", "", "PersistentVolumeClaim/p spec.storageClassName"),
    (CLAIM, "spec.selector", {"matchLabels": {"team": "other"}}, "PersistentVolumeClaim/p spec.selector"),
    (CLAIM, "spec.selector", {}, "PersistentVolumeClaim/p spec.selector"),
    (CLAIM, "spec.volumeName", "pv-1", "PersistentVolumeClaim/p spec.volumeName"),
    (
        stateful_set(),
        CLAIM_TEMPLATE,
        {"metadata": {"name": "data"}, "spec": {"volumeName": "somebodys"}},
        f"StatefulSet/db {CLAIM_TEMPLATE}.spec.volumeName",
    ),
    (
        deployment(),
        f"{POD}.volumes[0].ephemeral.volumeClaimTemplate.spec.volumeName",
        "somebodys",
        f"Deployment/shop {POD}.volumes[0].ephemeral.volumeClaimTemplate.spec.volumeName",
    ),
    (
        deployment(),
        f"{CONTAINER}.ports",
        [{"containerPort": 80, "hostPort": 80}],
        f"Deployment/shop {CONTAINER}.ports[0].hostPort",
    ),
    (
        deployment(),
        f"{CONTAINER}.securityContext.capabilities.add",
        ["ALL"],
        f"Deployment/shop {CONTAINER}.securityContext.capabilities.add[0]",
    ),
    (
        CLAIM,
        "spec.volumeAttributesClassName",
        "fast",
        "PersistentVolumeClaim/p spec.volumeAttributesClassName",
    ),
    (deployment(), f"{POD}.tolerations", [{"operator": "Exists"}], f"Deployment/shop {POD}.tolerations[0]"),
    (
        deployment(),
        f"{POD}.nodeSelector",
        {"node-role.kubernetes.io/control-plane": ""},
        f'Deployment/shop {POD}.nodeSelector["node-role.kubernetes.io/control-plane"]',
    ),
    (
        deployment(),
        f"{POD}.affinity.nodeAffinity",
        {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}},
        f"Deployment/shop {POD}.affinity.nodeAffinity",
    ),
    (
        deployment(),
        f"{POD}.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]",
        {"topologyKey": "kubernetes.io/hostname", "namespaces": ["production"]},
        f"Deployment/shop {POD}.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]"
        ".namespaces",
    ),
    (
        deployment(),
        f"{POD}.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]",
        {"topologyKey": "kubernetes.io/hostname", "namespaceSelector": {}},
        f"Deployment/shop {POD}.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]"
        ".namespaceSelector",
    ),
    (deployment(), f"{POD}.priorityClassName", "critical", f"Deployment/shop {POD}.priorityClassName"),
    (deployment(), f"{POD}.priority", 1000, f"Deployment/shop {POD}.priority"),
    (deployment(), f"{POD}.runtimeClassName", "kata", f"Deployment/shop {POD}.runtimeClassName"),
    (deployment(), f"{POD}.schedulerName", "mine", f"Deployment/shop {POD}.schedulerName"),
    (deployment(), f"{POD}.schedulingGates", [{"name": "x/y"}], f"Deployment/shop {POD}.schedulingGates"),
    (
        deployment(),
        f"{POD}.evictionResponders",
        [{"name": "x/y"}],
        f"Deployment/shop {POD}.evictionResponders",
    ),
    (
        deployment(),
        f"{POD}.readinessGates",
        [{"conditionType": "x/y"}],
        f"Deployment/shop {POD}.readinessGates",
    ),
    (
        deployment(),
        f"{POD}.terminationGracePeriodSeconds",
        10**9,
        f"Deployment/shop {POD}.terminationGracePeriodSeconds 300",
    ),
    (
        deployment(),
        f"{CONTAINER}.lifecycle.preStop.sleep.seconds",
        3600,
        f"Deployment/shop {CONTAINER}.lifecycle.preStop.sleep.seconds 300",
    ),
    (
        deployment(),
        f"{CONTAINER}.livenessProbe.terminationGracePeriodSeconds",
        3600,
        f"Deployment/shop {CONTAINER}.livenessProbe.terminationGracePeriodSeconds 300",
    ),
    (deployment(), f"{CONTAINER}.imagePullPolicy", "Never", f"Deployment/shop {CONTAINER}.imagePullPolicy"),
    (JOB, "spec.managedBy", "kueue.x-k8s.io/multikueue", "Job/shop spec.managedBy"),
    (JOB, "spec.ttlSecondsAfterFinished", 60, "Job/shop spec.ttlSecondsAfterFinished"),
    (service(), "spec.clusterIP", "10.96.0.10", "Service/shop spec.clusterIP"),
    (service(), "spec.clusterIPs", ["10.96.0.10"], "Service/shop spec.clusterIPs[0]"),
    (service(), "spec.type", "LoadBalancer", "Service/shop spec.type"),
    (service(), "spec.type", "NodePort", "Service/shop spec.type"),
    (service(), "spec.ports", [{"port": 80, "nodePort": 30080}], "Service/shop spec.ports[0].nodePort"),
    (service(), "spec.loadBalancerIP", "192.0.2.1", "Service/shop spec.loadBalancerIP"),
    (service(), "spec.loadBalancerSourceRanges", ["0.0.0.0/0"], "Service/shop spec.loadBalancerSourceRanges"),
    (ACCOUNT, "secrets", [{"name": "x"}], "ServiceAccount/a secrets"),
    (SECRET, "type", "bootstrap.kubernetes.io/token", "Secret/s type"),
    (config_map(), "metadata.uid", "1-2-3", "ConfigMap/shop metadata.uid"),
    (
        config_map(),
        "metadata.deletionTimestamp",
        "2026-01-01T00:00:00Z",
        "ConfigMap/shop metadata.deletionTimestamp",
    ),
    (deployment(), "status", {"replicas": 1}, "Deployment/shop status"),
    (deployment(), "spec.revisionHistoryLimit", 2**31 - 1, "Deployment/shop spec.revisionHistoryLimit 10"),
    (stateful_set(), "spec.revisionHistoryLimit", 11, "StatefulSet/db spec.revisionHistoryLimit 10"),
    (
        BUDGET,
        "spec.unhealthyPodEvictionPolicy",
        "IfHealthyBudget",
        "PodDisruptionBudget/b spec.unhealthyPodEvictionPolicy AlwaysAllow",
    ),
    (BUDGET, "spec.maxUnavailable", 0, "PodDisruptionBudget/b"),
    (BUDGET, "spec.maxUnavailable", "0%", "PodDisruptionBudget/b"),
    (BUDGET, "spec.minAvailable", "100%", "PodDisruptionBudget/b"),
    (BUDGET, "spec.minAvailable", 2, "PodDisruptionBudget/b"),
    (BUDGET, "spec.minAvailable", "51%", "PodDisruptionBudget/b"),
]

CLOSED = [
    {},
    {"ports": [{"port": 443}]},
    {"ports": [{"port": 53, "protocol": "UDP"}]},
    {"to": [{"namespaceSelector": {}}]},
    {"to": [{"namespaceSelector": {}}], "ports": [{"port": 53}, {"port": 443}]},
    {"to": [{"namespaceSelector": {}}], "ports": [{"port": 53, "endPort": 60000}]},
    {"to": [{"ipBlock": {"cidr": "10.1.2.0/24"}}]},
    {"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}], "ports": [{"port": 53}]},
    {"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}]},
    {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]},
    {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]},
    {"to": [{"ipBlock": {"cidr": "::/0"}}]},
    {"to": [{"ipBlock": {"cidr": "fd00::/8"}}]},
    {"to": [{"namespaceSelector": {}}], "ports": [{"port": {}}]},
    {"to": [{"namespaceSelector": {}}], "ports": [{"port": [53]}]},
    {"to": [{"ipBlock": {"cidr": "::ffff:0:a00:0/104"}}]},
    {"to": [{"ipBlock": {"cidr": "64:ff9b::a00:0/104"}}]},
    {"to": [{"ipBlock": {"cidr": "64:ff9b:1::/48"}}]},
    {"to": [{"ipBlock": {"cidr": "2002:a00::/24"}}]},
    {"to": [{"ipBlock": {"cidr": "2001:0:a00::/40"}}]},
    {"to": [{"ipBlock": {"cidr": "2606:50c0::5efe:a00:1/128"}}]},
    {"to": [{"ipBlock": {"cidr": "8.8.8.0/24"}}, {"ipBlock": {"cidr": "192.168.0.0/16"}}]},
]


SPELLINGS = [
    {"cidr": "0.0.0.0/0", "except": ["::ffff:10.0.0.0/104"]},
    {"cidr": "0.0.0.0/0", "except": ["::ffff:a00:0/104"]},
    {"cidr": "8.8.8.8/0.0.0.255"},
    {"cidr": "8.8.8.0/255.255.255.0"},
    {"cidr": "8.8.8.0/024"},
    {"cidr": "8.8.8.8"},
    {"cidr": "8.8.0.0/16", "except": ["8.8.8.8/0.0.0.255"]},
    {"cidr": "8.8.0.0/16", "except": ["2606:50c0::/32"]},
    {"cidr": "2606:50c0::/32", "except": ["8.8.8.0/24"]},
    {"cidr": "::ffff:8.8.8.0/120"},
    {"cidr": "::ffff:808:800/120"},
    {"cidr": "::ffff:10.0.0.0/104"},
    {"cidr": "fe80::%eth0/64"},
    {"cidr": ""},
    {"except": ["10.0.0.0/8"]},
]
OBEYED = [
    "grafana_dashboard",
    "grafana_datasource",
    "grafana-folder",
    "Grafana_Alert",
    "k8s-sidecar-target-directory",
    "aadpodidbinding",
    "istio",
    "prometheus_rule",
    "loki-rule",
    "release-jenkins-config",
    "sidecar.inject",
    "io.katacontainers.config.hypervisor.path",
    "io.kubernetes.cri-o.Devices",
    "cpu-quota.crio.io",
    "org.systemd.property.ExecStart",
    "run.oci.handler",
]


@pytest.mark.parametrize("block", SPELLINGS)
@pytest.mark.parametrize(("direction", "side"), [("egress", "to"), ("ingress", "from")])
def test_guard_refuses_networks_that_plugins_read_differently(
    block: Object, direction: str, side: str
) -> None:
    policy = put(POLICY_OBJECT, "spec", {"podSelector": {}, direction: [{side: [{"ipBlock": block}]}]})
    assert f"spec.{direction}[0]: expected networks such as" in refusal(policy)


@pytest.mark.parametrize("key", OBEYED)
@pytest.mark.parametrize("field", ["labels", "annotations"])
@pytest.mark.parametrize(
    ("manifest", "path"),
    [(config_map(), "metadata"), (deployment(), TEMPLATE), (CRON, f"{CRON_POD}.metadata")],
)
def test_guard_removes_keys_without_a_domain_that_controllers_obey(
    manifest: Object, path: str, field: str, key: str
) -> None:
    labelled = put(manifest, f"{path}.{field}", {key: "1"})
    (change,) = guard(labelled).notes
    assert key in change.field
    assert "other controllers may act on it" in change.reason
    assert changes(labelled, policy=replace(POLICY, allowed_annotations=(key,))) == []


@given(st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20))
def test_guard_removes_every_key_with_an_obeyed_beginning(end: str) -> None:
    for start in OBEYED_PREFIXES:
        for key in (f"{start}{end}", f"{start}{end}".replace("_", "-").upper()):
            assert len(changes(put(config_map(), "metadata.labels", {key: "1"}))) == 1


@pytest.mark.parametrize("name", ["system-node-critical", "system-cluster-critical"])
def test_system_priority_class_requires_the_operator_to_name_it(name: str) -> None:
    manifest = put(deployment(), f"{POD}.priorityClassName", name)
    for values in (frozenset[str](), frozenset({"preview"})):
        policy = replace(POLICY, allowed_fields={"PodSpec.priorityClassName": values})
        assert "reserved for the cluster" in refusal(manifest, policy=policy)
    policy = replace(POLICY, allowed_fields={"PodSpec.priorityClassName": frozenset({name})})
    assert changes(manifest, policy=policy) == []
    any_policy = replace(POLICY, allowed_fields={"PodSpec.priorityClassName": frozenset()})
    assert changes(put(deployment(), f"{POD}.priorityClassName", "preview"), policy=any_policy) == []


@pytest.mark.parametrize(("manifest", "path", "value", "reason"), REFUSED)
def test_guard_refuses_hostile_objects(manifest: Object, path: str, value: object, reason: str) -> None:
    message = refusal(put(manifest, path, value))
    assert reason in message
    assert path.split("[")[0] in message


@pytest.mark.parametrize(("manifest", "path", "value", "change"), REMOVED)
def test_guard_removes_or_reduces_hostile_fields(
    manifest: Object, path: str, value: object, change: str
) -> None:
    others = [deployment()] if manifest["kind"] == "PodDisruptionBudget" else []
    assert changes(put(manifest, path, value), *others) == [change]
    allowed = guard(put(manifest, path, value), *others).manifests
    assert changes(*allowed) == []


@pytest.mark.parametrize("rule", CLOSED)
def test_guard_removes_egress_rules_that_open_private_networks(rule: Object) -> None:
    policy = put(POLICY_OBJECT, "spec", {"podSelector": {}, "egress": [rule]})
    guarded = guard(policy)
    assert [change.field for change in guarded.notes] == ["spec.egress[0]"]
    assert guarded.manifests[0]["spec"] == {"podSelector": {}, "egress": []}


def test_empty_status_is_removed_without_a_note() -> None:
    manifest = put(service(), "status", {"loadBalancer": {"ingress": []}})
    assert (guard(manifest).manifests, changes(manifest)) == ([service()], [])


def test_removed_fields_are_not_in_the_objects() -> None:
    manifest = put(deployment(), f"{POD}.nodeSelector", {"pool": "gpu", "kubernetes.io/arch": "arm64"})
    manifest = put(manifest, f"{POD}.terminationGracePeriodSeconds", 900)
    (guarded,) = guard(manifest).manifests
    assert guarded["spec"]["template"]["spec"]["nodeSelector"] == {"kubernetes.io/arch": "arm64"}
    assert guarded["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 300
    assert manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 900


def test_selector_of_a_removed_label_is_refused() -> None:
    labels = {"app": "shop", "acme.example/part": "web"}
    manifest = put(deployment(), f"{TEMPLATE}.labels", labels)
    selecting = service(selector={"acme.example/part": "web"})
    assert "it selects by the label `acme.example/part`" in refusal(manifest, selecting)
    assert "Deployment/shop, spec.selector.matchLabels" in refusal(
        put(manifest, "spec.selector.matchLabels", labels)
    )
    guard(manifest, service())
    allowed = replace(POLICY, allowed_annotations=("acme.example/",))
    assert changes(manifest, selecting, policy=allowed) == []


def test_budget_counts_the_lowest_number_of_pods() -> None:
    budget = put(BUDGET, "spec.minAvailable", 1)
    assert changes(budget, deployment()) == []
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {
            "minReplicas": 1,
            "maxReplicas": 9,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
        },
    }
    assert changes(budget, deployment(), scaler) == ["PodDisruptionBudget/b"]
    assert changes(budget, deployment(), put(scaler, "spec.minReplicas", 2)) == []


def test_second_budget_of_the_same_pods_is_removed() -> None:
    budgets = [put(put(BUDGET, "spec.minAvailable", 1), "metadata.name", name) for name in ("a", "b")]
    assert changes(deployment(), *budgets) == ["PodDisruptionBudget/b"]
    other = put(
        budgets[1],
        "spec.selector",
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["db"]}]},
    )
    assert changes(deployment(), put(stateful_set(), "spec.replicas", 2), budgets[0], other) == []


@pytest.mark.parametrize(("field", "value"), [("maxUnavailable", 1), ("minAvailable", "10%")])
def test_budget_of_pods_without_a_scale_is_removed(field: str, value: object) -> None:
    assert changes(put(BUDGET, f"spec.{field}", value), JOB, deployment()) == ["PodDisruptionBudget/b"]


LATER_KEYS = [
    "pod-template-hash",
    "controller-revision-hash",
    "job-name",
    "statefulset.kubernetes.io/pod-name",
    "batch.kubernetes.io/job-name",
    "topology.kubernetes.io/zone",
]


@pytest.mark.parametrize("key", LATER_KEYS)
@pytest.mark.parametrize("operator", ["Exists", "In", "NotIn"])
def test_budgets_that_select_labels_of_kubernetes_may_select_the_same_pods(key: str, operator: str) -> None:
    selector = {"matchExpressions": [{"key": key, "operator": operator, "values": ["a"]}]}
    budgets = [
        put(put(put(BUDGET, "spec.maxUnavailable", 1), "spec.selector", selector), "metadata.name", name)
        for name in ("a", "b")
    ]
    assert changes(deployment(), *budgets) == ["PodDisruptionBudget/b"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": deployment()["spec"]["template"]["spec"],
    }
    assert changes(pod, budgets[0]) == ["PodDisruptionBudget/a"]


def test_budgets_of_labels_of_the_application_select_their_own_pods_only() -> None:
    key = "app.kubernetes.io/component"
    worker = put(deployment("worker"), f"{TEMPLATE}.labels", {"app": "worker", key: "worker"})
    other = put(put(BUDGET, "spec.selector", {"matchLabels": {key: "worker"}}), "metadata.name", "other")
    assert changes(deployment(), worker, BUDGET, other) == []


def test_budget_that_selects_labels_of_greenroom_is_removed() -> None:
    for selector in (
        {"matchLabels": {"greenroom.dev/environment": "x"}},
        {"matchExpressions": [{"key": "greenroom.dev/job", "operator": "Exists"}]},
    ):
        budget = put(put(BUDGET, "spec.maxUnavailable", 1), "spec.selector", selector)
        (change,) = guard(deployment(), budget).notes
        assert "labels that Greenroom sets" in change.reason


def test_budget_never_protects_pods_that_fail() -> None:
    budget = put(BUDGET, "spec", {"selector": {"matchLabels": {"app": "shop"}}, "maxUnavailable": 1})
    (guarded,) = guard(budget).manifests
    assert guarded["spec"] == {**budget["spec"], "unhealthyPodEvictionPolicy": "AlwaysAllow"}


@pytest.mark.parametrize("version", ["apps/v2", "extensions/v1beta1", "", None])
def test_autoscaler_of_an_unknown_target_does_not_count(version: str | None) -> None:
    target = {"apiVersion": version, "kind": "Deployment", "name": "shop"}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {"minReplicas": 5, "maxReplicas": 9, "scaleTargetRef": target},
    }
    assert changes(put(BUDGET, "spec.minAvailable", 2), deployment(), scaler) == ["PodDisruptionBudget/b"]


def test_many_unknown_fields_and_removed_labels_take_little_time() -> None:
    unknown = [{**deployment(f"d{number}"), **{f"field{n}": 1 for n in range(15_000)}} for number in range(3)]
    labels = {f"example.com/{number}": "x" for number in range(40_000)}
    begin = time.process_time()
    sources = [Source("deploy/all.yaml", manifest, {}) for manifest in unknown]
    with pytest.raises(ManifestRefused) as caught:
        check(sources, NAMESPACE, POLICY)
    assert len(str(caught.value).splitlines()) == 10 + 1, "ten mistakes, and the number of the others"
    labelled = Source("deploy/all.yaml", put(config_map(), "metadata.labels", labels), {})
    guarded = check([labelled], NAMESPACE, POLICY)
    assert time.process_time() - begin < 2
    assert len(guarded.notes) == 301
    assert guarded.notes[-1].object == "39700 more fields"


@pytest.mark.parametrize(
    "manifest",
    [
        {**config_map(), "x" * 900_000: 1},
        config_map("x" * 900_000),
        {**config_map(), "kind": "x" * 900_000},
        service(type="x" * 900_000),
        {**rule(resources=["x" * 900_000])},
    ],
)
def test_long_values_are_shortened_in_messages(manifest: Object) -> None:
    sources = [Source("deploy/all.yaml", manifest, {})]
    with pytest.raises(ManifestRefused) as caught:
        check(sources, NAMESPACE, POLICY)
    assert len(str(caught.value)) < 2500


def test_long_duplicate_key_is_shortened() -> None:
    key = "x" * 90_000
    with pytest.raises(ManifestRefused) as caught:
        read({"deploy/a.yaml": f"{key}: 1\n{key}: 2\n".encode()}, ["deploy"])
    assert len(str(caught.value)) < 1000


def test_mistake_that_two_checks_find_is_reported_once() -> None:
    message = refusal(put(deployment(), f"{CONTAINER}.env", "x"))
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("version", ["extensions/v1beta1", "apps/v1beta1", "v1"])
def test_old_version_of_an_allowed_kind_names_the_version_to_use(version: str) -> None:
    assert "use `apps/v1` for a Deployment" in refusal({**deployment(), "apiVersion": version})
    assert "not allowed" in refusal({**deployment(), "apiVersion": "example.com/v1"})


def test_operator_allows_more() -> None:
    policy = replace(
        POLICY,
        allowed_annotations=("prometheus.io/", "example.com/team"),
        allowed_storage_classes=("fast",),
        allowed_resources={"nvidia.com/gpu": "2"},
        allowed_networks=("10.20.0.0/16",),
        allowed_fields={
            "PodSpec.nodeSelector": frozenset(),
            "PodSpec.priorityClassName": frozenset({"preview"}),
            "Volume.csi": frozenset(),
        },
        longest_grace_seconds=600,
    )
    manifest = put(deployment(), "metadata.annotations", {"prometheus.io/port": "1", "example.com/team": "a"})
    manifest = put(manifest, f"{POD}.nodeSelector", {"pool": "preview"})
    manifest = put(manifest, f"{POD}.priorityClassName", "preview")
    manifest = put(manifest, f"{POD}.volumes", [{"name": "v", "csi": {"driver": "x"}}])
    manifest = put(manifest, f"{POD}.terminationGracePeriodSeconds", 600)
    manifest = put(manifest, f"{CONTAINER}.resources.limits", {"nvidia.com/gpu": 1})
    claim = put(CLAIM, "spec.storageClassName", "fast")
    egress = [{"to": [{"ipBlock": {"cidr": "10.20.1.0/24"}}]}]
    opening = put(POLICY_OBJECT, "spec", {"podSelector": {}, "egress": egress})
    objects = [manifest, claim, opening]
    guarded = guard(*objects, policy=policy)
    assert (guarded.manifests, guarded.notes) == (objects, ())
    other = put(manifest, f"{POD}.priorityClassName", "production")
    assert changes(other, policy=policy) == [f"Deployment/shop {POD}.priorityClassName"]

"""Objects of ordinary applications: the guard passes each of them unchanged."""

from __future__ import annotations

import pytest

from tests.unit.cluster.guarding import (
    BASELINE,
    BINDING,
    CLAIM,
    CONTAINER,
    CRON,
    POD,
    guard,
    put,
    refusal,
    rule,
)
from tests.unit.cluster.manifests import POLICY, Object, config_map, deployment, service, stateful_set

TEMPLATE = "spec.template.metadata"
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
SCALER: Object = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "h"},
    "spec": {
        "maxReplicas": 4,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
    },
}
NETWORK: Object = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "net"},
    "spec": {"podSelector": {}},
}
RULES: list[Object] = [
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "update"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["s"]},
]
SPREAD = {
    "maxSkew": 1,
    "topologyKey": "kubernetes.io/hostname",
    "whenUnsatisfiable": "ScheduleAnyway",
    "labelSelector": {"matchLabels": {"app": "shop"}},
}
TERM = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "shop"}}}
PROBE = {"httpGet": {"path": "/healthz", "port": "http", "httpHeaders": [{"name": "Host", "value": "shop"}]}}

HARMLESS: list[tuple[Object, str, object]] = [
    (config_map(), "data", {"nginx.conf": "server {}", "a/b": "c"}),
    (config_map(), "immutable", True),
    (config_map(), "binaryData", {"logo.png": "AAAA"}),
    (config_map(), "metadata.labels", {"app": "shop", "tier": "web", "app.kubernetes.io/name": "shop"}),
    (config_map(), "metadata.labels", {"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "shop-1"}),
    (config_map(), "metadata.annotations", {"description": "anything", "checksum/config": "abc"}),
    (config_map(), "metadata.annotations", {"meta.helm.sh/release-name": "shop", "helm.sh/hook": "test"}),
    (config_map(), "metadata.finalizers", []),
    (SECRET, "stringData", {"password": "x"}),
    (SECRET, "type", "kubernetes.io/tls"),
    (SECRET, "type", "kubernetes.io/dockerconfigjson"),
    (ACCOUNT, "automountServiceAccountToken", False),
    (ACCOUNT, "imagePullSecrets", [{"name": "s"}]),
    (CLAIM, "spec", {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}),
    (CLAIM, "spec.volumeMode", "Block"),
    (CLAIM, "spec.volumeName", ""),
    (service(), "spec.clusterIP", "None"),
    (service(), "spec.type", "ClusterIP"),
    (service(), "spec.ports", [{"name": "http", "port": 80, "targetPort": "http", "appProtocol": "http"}]),
    (service(), "spec.publishNotReadyAddresses", True),
    (service(), "spec.sessionAffinityConfig.clientIP.timeoutSeconds", 60),
    (service(), "spec.selector", {"statefulset.kubernetes.io/pod-name": "db-0"}),
    (service(), "spec.ipFamilyPolicy", "PreferDualStack"),
    (deployment(), f"{TEMPLATE}.annotations", {"kubectl.kubernetes.io/default-container": "shop"}),
    (deployment(), f"{TEMPLATE}.annotations", {"rollme": "x", "checksum/secret": "abc"}),
    (deployment(), "spec.strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}),
    (deployment(), "spec.progressDeadlineSeconds", 600),
    (deployment(), f"{POD}.terminationGracePeriodSeconds", 60),
    (deployment(), f"{CONTAINER}.lifecycle", {"preStop": {"exec": {"command": ["sleep", "5"]}}}),
    (deployment(), f"{CONTAINER}.lifecycle.preStop.sleep.seconds", 10),
    (deployment(), f"{POD}.serviceAccountName", "shop"),
    (deployment(), f"{POD}.automountServiceAccountToken", True),
    (deployment(), f"{POD}.imagePullSecrets", [{"name": "registry"}]),
    (deployment(), f"{POD}.nodeSelector", {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}),
    (deployment(), f"{POD}.topologySpreadConstraints", [SPREAD]),
    (
        deployment(),
        f"{POD}.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution",
        [{"weight": 1, "podAffinityTerm": TERM}],
    ),
    (
        deployment(),
        f"{POD}.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution",
        [TERM],
    ),
    (
        deployment(),
        f"{POD}.tolerations",
        [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
    ),
    (deployment(), f"{POD}.hostNetwork", False),
    (deployment(), f"{POD}.ephemeralContainers", []),
    (deployment(), f"{POD}.resourceClaims", []),
    (deployment(), f"{CONTAINER}.resources.claims", []),
    (deployment(), f"{POD}.shareProcessNamespace", True),
    (deployment(), f"{POD}.dnsConfig", {"options": [{"name": "ndots", "value": "2"}]}),
    (deployment(), f"{POD}.hostAliases", [{"ip": "127.0.0.1", "hostnames": ["shop.local"]}]),
    (deployment(), f"{POD}.enableServiceLinks", False),
    (deployment(), f"{POD}.securityContext", {"runAsUser": 10001, "fsGroup": 10001, "runAsNonRoot": True}),
    (deployment(), f"{POD}.securityContext.sysctls", [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]),
    (
        deployment(),
        f"{CONTAINER}.securityContext",
        {"readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
    ),
    (deployment(), f"{CONTAINER}.securityContext.seccompProfile", {"type": "RuntimeDefault"}),
    (
        deployment(),
        f"{CONTAINER}.resources",
        {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"ephemeral-storage": "1Gi"}},
    ),
    (deployment(), f"{CONTAINER}.livenessProbe", PROBE),
    (deployment(), f"{CONTAINER}.readinessProbe", {"grpc": {"port": 9000}, "periodSeconds": 5}),
    (deployment(), f"{CONTAINER}.startupProbe", {"tcpSocket": {"port": 80}, "failureThreshold": 30}),
    (deployment(), f"{CONTAINER}.imagePullPolicy", "Always"),
    (
        deployment(),
        f"{CONTAINER}.env",
        [
            {"name": "A", "value": "b"},
            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
            {"name": "D", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
        ],
    ),
    (deployment(), f"{CONTAINER}.envFrom", [{"prefix": "A_", "configMapRef": {"name": "shop"}}]),
    (
        deployment(),
        f"{POD}.volumes",
        [
            {"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "b", "configMap": {"name": "shop", "items": [{"key": "a", "path": "b"}]}},
            {"name": "c", "secret": {"secretName": "s", "defaultMode": 256}},
            {"name": "d", "persistentVolumeClaim": {"claimName": "p"}},
            {"name": "e", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "x"}}]}},
            {"name": "f", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {"name": "g", "ephemeral": {"volumeClaimTemplate": {"spec": CLAIM["spec"]}}},
        ],
    ),
    (
        deployment(),
        f"{CONTAINER}.volumeMounts",
        [{"name": "a", "mountPath": "/tmp", "subPathExpr": "$(A)", "mountPropagation": "None"}],
    ),
    (
        deployment(),
        f"{POD}.initContainers",
        [{"name": "proxy", "image": "envoy:1", "restartPolicy": "Always", "command": ["envoy"]}],
    ),
    (stateful_set(), "spec.podManagementPolicy", "Parallel"),
    (stateful_set(), "spec.persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Delete"}),
    (
        stateful_set(),
        "spec.volumeClaimTemplates",
        [{"metadata": {"name": "data", "labels": {"app": "db"}}, "spec": CLAIM["spec"]}],
    ),
    (JOB, "spec.backoffLimit", 3),
    (JOB, "spec.podFailurePolicy.rules", [{"action": "Ignore", "onPodConditions": [{"type": "X"}]}]),
    (CRON, "spec.schedule", "*/5 * * * *"),
    (CRON, "spec.jobTemplate.spec.ttlSecondsAfterFinished", 60),
    (CRON, "spec.jobTemplate.metadata", {"labels": {"app": "nightly"}, "annotations": {"note": "x"}}),
    (SCALER, "spec.minReplicas", 2),
    (
        SCALER,
        "spec.metrics",
        [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}],
    ),
    (SCALER, "spec.behavior.scaleDown.policies", [{"type": "Pods", "value": 1, "periodSeconds": 60}]),
    (BUDGET, "spec.maxUnavailable", 1),
    (BUDGET, "spec.maxUnavailable", "10%"),
    (BUDGET, "spec.unhealthyPodEvictionPolicy", "AlwaysAllow"),
    (NETWORK, "spec.ingress", [{"from": [{"namespaceSelector": {}}], "ports": [{"port": 80}]}]),
    (NETWORK, "spec.ingress", [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}]),
    (NETWORK, "spec.egress", [{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}]}]),
    (NETWORK, "spec.egress", [{"to": [{"ipBlock": {"cidr": "140.82.112.0/20"}}]}]),
    (NETWORK, "spec.egress", [{"to": [{"ipBlock": {"cidr": "2606:50c0::/32"}}]}]),
    (
        NETWORK,
        "spec.egress",
        [{"to": [{"namespaceSelector": {}}], "ports": [{"port": 53}]}],
    ),
]


@pytest.mark.parametrize(("manifest", "path", "value"), HARMLESS)
def test_guard_passes_harmless_objects_unchanged(manifest: Object, path: str, value: object) -> None:
    changed = put(manifest, path, value)
    for policy in (POLICY, BASELINE):
        guarded = guard(changed, policy=policy)
        assert (guarded.manifests, guarded.notes) == ([changed], ())


def test_table_of_harmless_objects_covers_all_kinds() -> None:
    assert len(HARMLESS) >= 60
    assert {manifest["kind"] for manifest, _, _ in HARMLESS} >= {"ConfigMap", "CronJob", "Job", "Service"}


def test_guard_passes_names_of_roles_with_colons() -> None:
    role = put(rule(), "metadata.name", "acme:Reader")
    binding = put(put(BINDING, "roleRef.name", "acme:Reader"), "metadata.name", "acme:reader")
    assert guard(role, binding).manifests == [role, binding]


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a%2f", "a b", "greenroom-x", ""])
def test_guard_refuses_names_of_roles_that_are_no_path_segments(name: str) -> None:
    assert "Role/" in refusal(put(rule(), "metadata.name", name))


def test_guard_passes_the_role_of_a_leader_election() -> None:
    role = {**rule(), "rules": RULES}
    assert guard(SECRET, role, BINDING).manifests == [SECRET, role, BINDING]


def test_guard_divides_rules_by_api_groups_with_different_resources() -> None:
    """Generators of operators write such a rule; Kubernetes has no `leases` in the core API group."""
    verbs = {"verbs": ["get", "create", "update"]}
    groups, resources = ["", "coordination.k8s.io", "extensions"], ["configmaps", "leases"]
    guarded = guard(rule(apiGroups=groups, resources=resources, **verbs))
    assert guarded.manifests[0]["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], **verbs},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], **verbs},
    ]
    assert [note.reason for note in guarded.notes] == [
        "a Role cannot contain `leases` of the core API group",
        "a Role cannot contain `configmaps` of API group `coordination.k8s.io`",
        "a Role cannot contain `configmaps`, `leases` of API group `extensions`",
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"apiGroups": ["", "apps"], "resources": ["pods", "secrets"]}, "may only `get` Secrets of the same"),
        (
            {"apiGroups": ["", "apps"], "resources": ["pods", "pods/exec"]},
            "`pods/exec` of the core API group",
        ),
        ({"apiGroups": ["metrics.k8s.io"]}, "`pods` of API group `metrics.k8s.io` is not allowed"),
        ({"apiGroups": ["", "apps"], "verbs": ["create"]}, "only get, list and watch are allowed for `pods`"),
        ({"apiGroups": ["", "*"], "resources": ["*"]}, "`*` of the core API group is not allowed"),
        ({"apiGroups": ["", 5]}, "expected a string"),
    ],
)
def test_guard_refuses_rules_of_several_api_groups(fields: Object, reason: str) -> None:
    assert reason in refusal(rule(**fields))

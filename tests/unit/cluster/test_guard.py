"""The guard: refused manifests, and messages with file, line, object, field and reason."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.cluster.guard.check import check
from bot.cluster.manifests import read
from bot.cluster.policy import ClusterPolicy
from bot.model.errors import ManifestRefused, ManifestsRefused
from tests.unit.cluster.guarding import (
    BASELINE,
    BINDING,
    CLAIM,
    CONTAINER,
    CRON,
    POD,
    POLICY_OBJECT,
    ROLE,
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
    render,
    request,
    service,
    stateful_set,
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{POD}.hostNetwork", True),
        (f"{POD}.hostPID", True),
        (f"{POD}.hostIPC", True),
        (f"{POD}.hostNetwork", "true"),
        (f"{POD}.nodeName", "node-1"),
        (f"{POD}.priorityClassName", "system-node-critical"),
        (f"{POD}.volumes[0].hostPath", {"path": "/"}),
        (f"{POD}.volumes[0].nfs", {"server": "10.0.0.1", "path": "/"}),
        (f"{POD}.volumes[0].csi", {"driver": "secrets-store.csi.k8s.io"}),
        (f"{POD}.volumes[0].projected.sources[0].clusterTrustBundle", {"name": "x"}),
        (f"{POD}.securityContext.sysctls[0]", {"name": "kernel.msgmax", "value": "1"}),
        (f"{POD}.securityContext.seccompProfile.type", "Unconfined"),
        (f"{POD}.securityContext.appArmorProfile.type", "Unconfined"),
        (f"{POD}.securityContext.runAsNonRoot", False),
        (f"{POD}.securityContext.runAsUser", 0),
        (f"{POD}.securityContext.seLinuxOptions", {"type": "spc_t"}),
        (f"{POD}.securityContext.windowsOptions.hostProcess", True),
        (f"{CONTAINER}.securityContext.privileged", True),
        (f"{CONTAINER}.securityContext.allowPrivilegeEscalation", True),
        (f"{CONTAINER}.securityContext.procMount", "Unmasked"),
        (f"{CONTAINER}.securityContext.runAsUser", 0),
        (f"{CONTAINER}.livenessProbe.httpGet.host", "169.254.169.254"),
        (f"{CONTAINER}.lifecycle.preStop.tcpSocket.host", "10.0.0.1"),
        (f"{POD}.initContainers[0]", {"name": "i", "image": "x", "securityContext": {"privileged": True}}),
        (
            f"{POD}.ephemeralContainers[0]",
            {"name": "e", "image": "x", "securityContext": {"privileged": True}},
        ),
        ("spec.template.metadata.labels", {"greenroom.dev/release": "abc"}),
        ("spec.template.metadata.namespace", "kube-system"),
        ("metadata.namespace", "production"),
        ("metadata.finalizers", ["example.com/stay"]),
        ("metadata.ownerReferences", [{"kind": "Node", "name": "n"}]),
        ("metadata.labels", {"greenroom.dev/environment": "preview.1.1"}),
        ("metadata.labels", {"app.kubernetes.io/managed-by": "greenroom"}),
        ("metadata.annotations", {"greenroom.dev/commit": "x"}),
        ("metadata.name", "greenroom-config"),
        ("metadata.name", "../x"),
        ("metadata.name", None),
        (f"{POD}.volumes[0]", None),
        (f"{CONTAINER}.env[0]", None),
    ],
)
def test_guard_rejects_unsafe_pod_fields(path: str, value: object):
    message = refusal(put(deployment(), path, value))
    assert message.startswith("deploy/all.yaml:")
    assert "Deployment/" in message
    field = path.removesuffix("[0]") if path.endswith("[0]") else path
    assert field in message
    assert message.endswith(".")


_OURS = "greenroom-secrets"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{CONTAINER}.env[0]", {"name": "A", "valueFrom": {"secretKeyRef": {"name": _OURS, "key": "A"}}}),
        (f"{CONTAINER}.env[0]", {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "greenroom"}}}),
        (f"{CONTAINER}.envFrom[0]", {"secretRef": {"name": _OURS, "optional": True}}),
        (f"{CONTAINER}.envFrom[0]", {"configMapRef": {"name": "greenroom-data"}}),
        (
            f"{POD}.initContainers[0]",
            {"name": "i", "image": "x", "envFrom": [{"secretRef": {"name": _OURS}}]},
        ),
        (f"{POD}.volumes[0]", {"name": "v", "secret": {"secretName": _OURS}}),
        (f"{POD}.volumes[0]", {"name": "v", "configMap": {"name": "greenroom-config"}}),
        (f"{POD}.volumes[0]", {"name": "v", "projected": {"sources": [{"secret": {"name": _OURS}}]}}),
        (f"{POD}.volumes[0]", {"name": "v", "persistentVolumeClaim": {"claimName": "greenroom-x"}}),
        (f"{POD}.volumes[0]", {"name": "v", "future": {"anySecretName": _OURS}}),
        (f"{POD}.imagePullSecrets[0]", {"name": _OURS}),
        (f"{POD}.serviceAccountName", "greenroom"),
        (f"{POD}.serviceAccount", "greenroom"),
    ],
)
def test_guard_rejects_references_to_objects_of_greenroom(path: str, value: object):
    assert "belong to objects of Greenroom" in refusal(put(deployment(), path, value))


@pytest.mark.parametrize(
    "manifest",
    [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "a"},
            "secrets": [{"name": _OURS}],
        },
        {
            **ROLE,
            "rules": [rule(resources=["configmaps"], resourceNames=["a", "greenroom-data"])["rules"][0]],
        },
        {**BINDING, "subjects": [{"kind": "ServiceAccount", "name": "greenroom"}]},
        put(CRON, "spec.jobTemplate.spec.template.spec.imagePullSecrets[0]", {"name": _OURS}),
    ],
    ids=lambda manifest: manifest["kind"],
)
def test_guard_rejects_references_of_other_kinds_to_objects_of_greenroom(manifest: Object):
    assert "belong to objects of Greenroom" in refusal(manifest)


def test_guard_accepts_local_names_and_values_that_mention_greenroom():
    manifest = put(deployment(), f"{CONTAINER}.name", "greenroom")
    manifest = put(manifest, f"{CONTAINER}.env[0]", {"name": "greenroom-url", "value": "greenroom-secrets"})
    manifest = put(manifest, f"{POD}.volumes[0]", {"name": "greenroom-cache", "emptyDir": {}})
    guard(manifest)


@pytest.mark.parametrize(
    "manifest",
    [
        put(stateful_set(), f"{POD}.hostNetwork", True),
        put(CRON, "spec.jobTemplate.spec.template.spec.hostPID", True),
        {
            **deployment(),
            "kind": "Job",
            "apiVersion": "batch/v1",
            "spec": {"template": {"spec": {"hostIPC": True}}},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"hostNetwork": True}},
        {"apiVersion": "v1", "kind": "List", "items": [put(deployment(), f"{POD}.hostNetwork", True)]},
        service(type="ExternalName", externalName="metadata.google.internal"),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "empty"}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "t"},
            "type": "kubernetes.io/service-account-token",
        },
        put(
            CLAIM,
            "spec.dataSourceRef",
            {"kind": "PersistentVolumeClaim", "name": "x", "namespace": "production"},
        ),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}},
    ],
    ids=lambda manifest: manifest["kind"],
)
def test_guard_rejects_unsafe_fields_of_other_kinds(manifest: Object):
    refusal(manifest)


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("v1", "Namespace"),
        ("v1", "Node"),
        ("v1", "PersistentVolume"),
        ("v1", "ResourceQuota"),
        ("v1", "Endpoints"),
        ("v1", "ReplicationController"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1beta1", "Deployment"),
        ("extensions/v1beta1", "Deployment"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("discovery.k8s.io/v1", "EndpointSlice"),
        ("gateway.networking.k8s.io/v1", "Gateway"),
        ("gateway.networking.k8s.io/v1", "ReferenceGrant"),
        ("argoproj.io/v1alpha1", "Application"),
        ("kustomize.config.k8s.io/v1beta1", "Kustomization"),
        ("example.com/v1", "Deployment"),
        ("v1", "Deployment"),
    ],
)
def test_guard_rejects_unlisted_kinds(api_version: str, kind: str):
    message = refusal({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}})
    assert message.startswith("deploy/all.yaml:")
    assert f"{kind}/x, " in message


@pytest.mark.parametrize(
    "fields",
    [
        {"verbs": ["*"]},
        {"resources": ["*"]},
        {"apiGroups": ["*"]},
        {"verbs": ["escalate"]},
        {"verbs": ["bind"]},
        {"verbs": ["impersonate"]},
        {"resources": ["pods/exec"], "verbs": ["create"]},
        {"resources": ["pods/ephemeralcontainers"], "verbs": ["patch"]},
        {"resources": ["serviceaccounts/token"], "verbs": ["create"]},
        {"resources": ["namespaces"], "verbs": ["get"]},
        {"verbs": ["get", "delete"]},
        {"resources": ["secrets"]},
        {"resources": ["secrets"], "resourceNames": ["foreign"]},
        {"resources": ["secrets"], "verbs": ["get", "list"], "resourceNames": ["own"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]},
        {"nonResourceURLs": ["/metrics"]},
    ],
)
def test_guard_rejects_escalating_roles(fields: Object):
    own = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}}
    assert "Role/r, rules[0]" in refusal(own, rule(**fields))


def test_guard_accepts_roles_within_the_environment():
    own: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}}
    leader: Object = {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["get", "create", "update"],
    }
    reader: Object = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["own"]}
    rules: list[Object] = [*rule()["rules"], leader, reader]
    guard(own, {**ROLE, "rules": rules}, BINDING)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("roleRef.kind", "ClusterRole"),
        ("roleRef.name", "somebody-elses"),
        ("subjects", [{"kind": "User", "name": "mallory"}]),
        ("subjects", [{"kind": "Group", "name": "system:authenticated"}]),
        ("subjects", [{"kind": "ServiceAccount", "name": "default", "namespace": "kube-system"}]),
    ],
)
def test_guard_rejects_bindings_to_other_subjects(path: str, value: object):
    assert "RoleBinding/b" in refusal(rule(), put(BINDING, path, value))


def test_guard_accepts_ordinary_manifests():
    guard(
        deployment(
            serviceAccountName="shop",
            securityContext={
                "runAsUser": 10001,
                "sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}],
            },
            volumes=[{"name": "a", "emptyDir": {}}, {"name": "b", "configMap": {"name": "shop"}}],
            initContainers=[{"name": "wait", "image": "busybox"}],
        ),
        put(deployment("other"), f"{CONTAINER}.securityContext.capabilities.add[0]", "NET_BIND_SERVICE"),
        stateful_set(),
        service(),
        service("db"),
        config_map(),
        CRON,
        CLAIM,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "shop", "namespace": NAMESPACE}},
        put(config_map("helm"), "metadata.labels", {"app.kubernetes.io/managed-by": "Helm"}),
    )


def test_baseline_allows_root_and_the_capabilities_of_ordinary_images():
    manifest = put(deployment(), f"{POD}.securityContext.runAsUser", 0)
    manifest = put(manifest, f"{CONTAINER}.securityContext.allowPrivilegeEscalation", True)
    manifest = put(manifest, f"{CONTAINER}.securityContext.capabilities.add", ["CHOWN", "SETUID", "SETGID"])
    assert guard(manifest, policy=BASELINE).manifests == [manifest]


@pytest.mark.parametrize(("policy", "kept"), [(BASELINE, ["CHOWN"]), (POLICY, [])])
def test_capabilities_that_pod_security_forbids_are_removed_with_a_note(
    policy: ClusterPolicy, kept: list[str]
):
    asked = put(deployment(), f"{CONTAINER}.securityContext.capabilities.add", ["CHOWN", "NET_ADMIN"])
    guarded = guard(asked, policy=policy)
    container = guarded.manifests[0]["spec"]["template"]["spec"]["containers"][0]
    assert container["securityContext"]["capabilities"]["add"] == kept
    note = guarded.notes[-1]
    assert note.field == f"{CONTAINER}.securityContext.capabilities.add[1]"
    assert f"`{policy.pod_security}` forbids it" in note.reason


def test_refusal_names_the_line_of_the_field():
    text = yaml.safe_dump(deployment()).replace(
        "image: ghcr", "securityContext:\n          privileged: true\n        image: ghcr"
    )
    source = {"deploy/shop.yaml": f"# shop\n{text}".encode()}
    with pytest.raises(ManifestRefused) as caught:
        check(read(source, ["deploy"]), NAMESPACE, POLICY)
    line = int(str(caught.value).split(":")[1].partition(",")[0])
    assert "privileged: true" in source["deploy/shop.yaml"].decode().splitlines()[line - 1]
    assert str(caught.value).endswith(
        "Deployment/shop, spec.template.spec.containers[0].securityContext.privileged: "
        "privileged containers are not allowed; remove this field."
    )


def test_duplicate_object_is_refused_with_both_places():
    message = refusal(config_map(), deployment(), config_map())
    assert "ConfigMap/shop, metadata.name: the object is already defined in deploy/all.yaml:1" in message


def test_equal_mistakes_are_one_message_with_their_number():
    lines = refusal(*(service(f"s{number}", type="ExternalName") for number in range(30))).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("deploy/all.yaml:10, Service/s0, spec.type: ")
    assert lines[0].endswith(
        " The same mistake is in 29 more places: "
        "Service/s1, Service/s2, Service/s3, Service/s4, Service/s5, …."
    )


def test_message_shows_the_first_mistakes_and_the_error_has_all():
    manifest = deployment()
    manifest["spec"] |= {f"field{number}": 1 for number in range(30)}
    with pytest.raises(ManifestsRefused) as caught:
        guard(manifest, service(type="ExternalName"))
    assert len(caught.value.mistakes) == 31
    assert len(str(caught.value).splitlines()) == 11
    assert str(caught.value).endswith("… and 21 more kinds of mistakes, which the check run lists.")


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, 0, "", "x", [], {}, [None], ["x"], {"x": None}, [[]], True]
)


def _paths(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    children: list[tuple[object, object]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [path, *(deeper for key, child in children for deeper in _paths(child, (*path, key)))]


RICH = put(
    put(
        deployment(
            volumes=[{"name": "a", "projected": {"sources": [{"secret": {"name": "s"}}]}}],
            securityContext={"seccompProfile": {"type": "RuntimeDefault"}},
        ),
        f"{CONTAINER}.envFrom",
        [{"configMapRef": {"name": "shop"}}],
    ),
    f"{CONTAINER}.env",
    [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
)
MANIFESTS = [
    RICH,
    stateful_set(),
    service(),
    rule(),
    BINDING,
    CRON,
    CLAIM,
    {**POLICY_OBJECT, "spec": {"egress": [{"to": [{"ipBlock": {"cidr": "8.8.8.8/32"}}]}]}},
    {
        **put(POLICY_OBJECT, "metadata.name", "dns"),
        "spec": {
            "egress": [{"to": [{"namespaceSelector": {}}], "ports": [{"port": 53}]}],
            "ingress": [{"from": [{"ipBlock": {"cidr": "8.8.0.0/16", "except": ["8.8.8.0/24"]}}]}],
        },
    },
    {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b"},
        "spec": {
            "minAvailable": 1,
            "selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["shop"]}]},
        },
    },
    {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {
            "minReplicas": 1,
            "maxReplicas": 4,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
        },
    },
]


@settings(max_examples=400)
@given(st.data())
def test_any_field_type_is_refused_or_rendered(data: st.DataObject):
    manifests = copy.deepcopy(MANIFESTS)
    for _ in range(data.draw(st.integers(1, 3))):
        manifest = data.draw(st.sampled_from(manifests))
        path = data.draw(st.sampled_from(_paths(manifest)[1:]))
        place: Any = manifest
        with contextlib.suppress(KeyError, IndexError, TypeError):
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = copy.deepcopy(data.draw(JUNK))
    with contextlib.suppress(ManifestRefused):
        render(request(*manifests), POLICY)

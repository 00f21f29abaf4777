"""Hostile commits, each with the words that its rejection must contain."""

from __future__ import annotations

import copy
import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from bot.github.resources.tarball import unpack
from tests.unit.cluster.manifests import config_map, deployment, service

Files = Mapping[str, bytes]

PLAIN = "{plain: deploy}"


@dataclass(frozen=True)
class Case:
    """A commit, and the words of its rejection beside the file's name."""

    name: str
    files: Files
    expected: str
    manifests: str = PLAIN
    more: str = ""
    """Further lines of the configuration."""

    def __str__(self) -> str:
        return self.name


def plain(name: str, manifest: object, expected: str) -> Case:
    """A commit with this manifest among good ones."""
    return Case(name, _files(deployment(), service(), config_map(), manifest), expected)


def in_pod(name: str, expected: str, container: Mapping[str, object] = {}, **spec: object) -> Case:
    manifest = deployment("evil", **spec)
    manifest["spec"]["template"]["spec"]["containers"][0].update(container)
    return plain(name, manifest, expected)


def _files(*manifests: object) -> Files:
    return {"deploy/shop.yaml": yaml.safe_dump_all(copy.deepcopy(manifests)).encode()}


def _object(api_version: str, kind: str, **fields: object) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "evil"}, **fields}


def _list(*items: object, kind: str = "List") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "items": list(items)}


def _role(**rule: object) -> dict[str, Any]:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], **rule}]
    return _object("rbac.authorization.k8s.io/v1", "Role", rules=rules)


def _archive(*members: tarfile.TarInfo) -> Files:
    """The files that are read from a tarball with these members and one good file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        good = yaml.safe_dump_all([deployment(), service()]).encode()
        for member, content in [
            (tarfile.TarInfo("top/README.md"), good),
            *((member, b"") for member in members),
        ]:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return unpack(io.BytesIO(gzip.compress(packed.getvalue())))


def _link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    link = tarfile.TarInfo(name)
    link.type, link.linkname = kind, target
    return link


_HOST_NETWORK = deployment("evil", hostNetwork=True)
_CLUSTER_SCOPED = {
    "apiextensions.k8s.io/v1": ["CustomResourceDefinition"],
    "apiregistration.k8s.io/v1": ["APIService"],
    "admissionregistration.k8s.io/v1": ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
    "rbac.authorization.k8s.io/v1": ["ClusterRole", "ClusterRoleBinding"],
    "v1": ["Node"],
}
_BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)
_MANY_OBJECTS = "---\n".join(
    f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{number}}}}}\n" for number in range(10_000)
)
_CHART = b"apiVersion: v2\nname: shop\nversion: 1.0.0\n"

CLUSTER_SCOPED = [
    plain(kind, _object(version, kind), f"a {kind} affects the whole cluster")
    for version, kinds in _CLUSTER_SCOPED.items()
    for kind in kinds
]
OBJECTS = [
    plain("a custom resource", _object("argoproj.io/v1alpha1", "Rollout"), "this kind are not allowed"),
    plain(
        "another namespace",
        _list(
            {**config_map("x"), "metadata": {"name": "x", "namespace": "kube-system"}},
            {**config_map("y"), "metadata": {"name": "y", "namespace": "shop"}},
        ),
        "an environment has one namespace",
    ),
    plain("a list", _list(_HOST_NETWORK), "a pod must not share the network"),
    plain("a list in a list", _list(_list(_list(_HOST_NETWORK))), "a pod must not share the network"),
    plain(
        "a list of a kind", _list(_HOST_NETWORK, kind="DeploymentList"), "a pod must not share the network"
    ),
    plain(
        "lists without end", _list(_list(_list(_list(_list(config_map("x")))))), "nested at most three deep"
    ),
    plain("the bot's own name", config_map("greenroom-config"), "are reserved"),
    plain("a role that gives all", _role(verbs=["*"]), "allowed verbs"),
    plain("a role that escalates", _role(verbs=["escalate"]), "allowed verbs"),
    plain(
        "a role over secrets",
        _role(resources=["secrets"], verbs=["get", "list"]),
        "a Role may only `get` Secrets",
    ),
    plain(
        "a role that runs in pods",
        _role(resources=["pods/exec"], verbs=["create"]),
        "is not allowed in a Role",
    ),
    plain(
        "a binding to a stranger",
        _object(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            subjects=[{"kind": "ServiceAccount", "name": "default"}],
        ),
        "`roleRef` must name a Role of the same manifests",
    ),
    plain(
        "an ExternalName",
        service("evil", type="ExternalName", externalName="metadata.google.internal"),
        "Services of type ExternalName are not allowed",
    ),
    plain(
        "a policy of another spelling",
        _object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            spec={
                "podSelector": {},
                "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["::ffff:10.0.0.0/104"]}}]}],
            },
        ),
        "IPv4 not mapped into IPv6",
    ),
    plain(
        "a token that lasts",
        _object("v1", "Secret", type="kubernetes.io/service-account-token"),
        "long-lived tokens of ServiceAccounts are not allowed",
    ),
]
PODS = [
    in_pod(
        "hostPath", "must not mount files of its node", volumes=[{"name": "x", "hostPath": {"path": "/"}}]
    ),
    in_pod("hostNetwork", "must not share the network", hostNetwork=True),
    in_pod("hostPID", "must not share the network", hostPID=True),
    in_pod("privileged", "privileged containers are not allowed", {"securityContext": {"privileged": True}}),
    in_pod(
        "a probe of the cloud's metadata",
        "probes and hooks must address their own pod",
        {"livenessProbe": {"httpGet": {"host": "169.254.169.254", "port": 80}}},
    ),
    in_pod("a node of its choice", "the scheduler selects the node", nodeName="control-plane"),
]
TEXTS = [
    Case(
        "a YAML bomb",
        {"deploy/a.yaml": _BOMB.encode()},
        "more than 100000 values, with aliases counted in full",
    ),
    Case("a deep nest", {"deploy/a.yaml": b"[" * 5000}, "nested deeper than 40 levels"),
    Case("a deep nest of JSON", {"deploy/a.json": b"[" * 100_000}, "nested deeper than 40 levels"),
    Case(
        "10,000 objects",
        {"deploy/shop.yaml": _MANY_OBJECTS.encode()},
        "more than 300 objects",
    ),
    Case(
        "10,000 files", {f"deploy/{number}.yaml": b"{}" for number in range(10_000)}, "More than 500 manifest"
    ),
    Case("five megabytes", {"deploy/a.yaml": b"# " + b"x" * 5 * 2**20}, "larger than 4 MiB"),
    Case(
        "a large object",
        {"deploy/a.json": json.dumps(config_map(**{f"k{n}": "x" * 90_000 for n in range(20)})).encode()},
        "the object is larger than 1 MiB",
    ),
    Case("a Python object", {"deploy/a.yaml": b"!!python/object/apply:os.system [id]"}, "tag"),
    Case("no text", {"deploy/a.yaml": b"\xff\xfe\x00"}, "not UTF-8"),
    Case("a key twice", {"deploy/a.yaml": b"kind: Service\nkind: Namespace"}, "duplicate key 'kind'"),
]
ARCHIVES = [
    Case("a link up", _archive(_link("top/deploy/a.yaml", "../../README.md")), "outside of the repository"),
    Case("a link out", _archive(_link("top/deploy/a.yaml", "/etc/passwd")), "outside of the repository"),
    Case("a linked folder", _archive(_link("top/deploy", "/etc")), "outside of the repository"),
    Case(
        "a hard link",
        _archive(_link("top/deploy/a.yaml", "top/README.md", tarfile.LNKTYPE)),
        "is not a regular file",
    ),
    Case("a device", _archive(_link("top/deploy/a.yaml", "", tarfile.CHRTYPE)), "is not a regular file"),
    Case("a way out", _archive(tarfile.TarInfo("top/../deploy/a.yaml")), "No manifests"),
    Case("a way in and out", _archive(tarfile.TarInfo("top/deploy/x/../a.yaml")), "No manifests"),
    Case("an absolute path", _archive(tarfile.TarInfo("/deploy/a.yaml")), "No manifests"),
]


def _kustomization(name: str, text: str, expected: str) -> Case:
    files = {"deploy/kustomization.yaml": text.encode(), "deploy/a.yaml": b"{}"}
    return Case(name, files, expected, "{kustomize: deploy}")


def _chart(name: str, text: str, expected: str) -> Case:
    return Case(name, {"chart/Chart.yaml": _CHART + text.encode()}, expected, "{helm: {chart: chart}}")


TOOLS = [
    _kustomization("a remote base", "resources: [github.com/evil/base]", "fetched from github.com"),
    _kustomization("a remote file", "resources: ['http://169.254.169.254/latest']", "from 169.254.169.254"),
    _kustomization("a remote patch", "patches: [{path: 'https://10.0.0.1/p'}]", "fetched from 10.0.0.1"),
    _kustomization("a base outside", "resources: [../../../etc]", "is outside of the repository"),
    _kustomization("an absolute base", "resources: [/etc]", "use a relative path"),
    _kustomization("Helm in Kustomize", "helmCharts: [{name: x, repo: 'https://evil.test'}]", "to run Helm"),
    _chart(
        "a remote chart",
        "dependencies: [{name: x, repository: 'https://kubernetes.default.svc'}]",
        "fetched from kubernetes.default.svc",
    ),
    _chart("a chart outside", "dependencies: [{name: x, repository: 'file://../../x'}]", "is outside of"),
    Case(
        "a release that is an option",
        {"chart/Chart.yaml": b"apiVersion: v2\nname: --kubeconfig=/etc\n"},
        "a chart's name consists of",
        "{helm: {chart: chart}}",
    ),
    Case(
        "values from elsewhere",
        {"chart/Chart.yaml": _CHART},
        "`https:/evil.test/values.yaml` does not exist in this commit",
        "{helm: {chart: chart, values: ['https://evil.test/values.yaml']}}",
    ),
]


def _check(name: str, url: str, expected: str) -> Case:
    more = f"preview:\n  checks: [{{http: '{url}'}}]\n"
    return Case(name, _files(deployment(), service()), expected, more=more)


CHECKS = [
    _check("a check of the cloud's metadata", "http://169.254.169.254/", "preview.checks.0.http"),
    _check("a check of loopback", "http://127.0.0.1:8000/metrics", "preview.checks.0.http"),
    _check("a check of the cluster", "https://kubernetes.default.svc/", "preview.checks.0.http"),
    _check("a check by name", "localhost/x", "preview.checks.0.http"),
    _check("a check that splits a request", "/x HTTP/1.1\\r\\nHost: evil", "preview.checks.0.http"),
]
CASES = [*CLUSTER_SCOPED, *OBJECTS, *PODS, *TEXTS, *ARCHIVES, *TOOLS, *CHECKS]

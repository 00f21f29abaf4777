"""The Helm chart renders the objects of the kustomizations, and its values change what they name."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubernetes import tools
from tests.unit.deploy.manifests import DEPLOY

pytestmark = pytest.mark.tools

_CHART = DEPLOY / "chart"
_OWN_LABELS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/instance", "helm.sh/chart")
Objects = dict[tuple[str, str], dict[str, Any]]


def rendered(*arguments: str, namespace: str = "greenroom") -> Objects:
    command = [
        str(tools.locate() / "helm"),
        "template",
        "greenroom",
        str(_CHART),
        "--namespace",
        namespace,
        *arguments,
    ]
    return _by_name(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def refused(*arguments: str) -> str:
    command = [str(tools.locate() / "helm"), "template", "greenroom", str(_CHART), *arguments]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode != 0
    return result.stderr


def kustomization(folder: str) -> Objects:
    command = [str(tools.locate() / "kustomize"), "build", str(DEPLOY / folder)]
    return _by_name(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _by_name(documents: str) -> Objects:
    objects = [item for item in yaml.safe_load_all(documents) if item]
    return {(item["kind"], item["metadata"]["name"]): item for item in objects}


def _comparable(objects: Objects) -> Objects:
    """Without what only one of both tools adds: labels of Helm, the hash in the name of a ConfigMap."""
    text = re.sub(
        r"greenroom-settings-[a-z0-9]{10}\b", "greenroom-settings", json.dumps(list(objects.values()))
    )
    comparable = _by_name(yaml.safe_dump_all(json.loads(text)))
    comparable.pop(("Namespace", "greenroom"), None)  # Helm installs into a namespace that exists
    for item in comparable.values():
        for label in _OWN_LABELS:
            item["metadata"].get("labels", {}).pop(label, None)
        if item["kind"] == "Deployment":
            item["spec"]["template"]["metadata"].pop("annotations", None)
    return comparable


@pytest.mark.parametrize(
    ("folder", "values"),
    [("base", ()), ("postgresql", ("--set", "postgresql=true", "--set", "replicas=2"))],
)
def test_chart_renders_the_objects_of_the_kustomization(folder: str, values: tuple[str, ...]) -> None:
    assert _comparable(rendered(*values)) == _comparable(kustomization(folder))


def test_settings_reach_route_policy_and_pods() -> None:
    settings = {
        "GREENROOM_GITHUB_APP_ID": "4711",
        "GREENROOM_PUBLIC_URL": "https://rooms.example.org:8443",
        "GREENROOM_GATEWAY": "edge/main",
        "GREENROOM_BASE_DOMAIN": "https://previews.example.org:8443",
        "GREENROOM_FORK_BASE_DOMAIN": "forks.example.org",
    }
    objects = rendered(
        *(part for name, value in settings.items() for part in ("--set-string", f"settings.{name}={value}")),
        namespace="rooms",
    )
    route = objects["HTTPRoute", "greenroom"]["spec"]
    assert route["parentRefs"] == [{"namespace": "edge", "name": "main"}]
    assert route["hostnames"] == ["rooms.example.org"]
    waker = objects["HTTPRoute", "greenroom-waker"]["spec"]
    assert waker["parentRefs"] == route["parentRefs"]
    assert waker["hostnames"] == ["*.previews.example.org", "*.forks.example.org"]
    policy = objects["ValidatingAdmissionPolicy", "greenroom"]["spec"]
    assert '"4711"' in {item["expression"] for item in policy["variables"]}
    assert '"system:serviceaccount:rooms:greenroom"' in policy["matchConditions"][0]["expression"]
    (account,) = objects["ClusterRoleBinding", "greenroom"]["subjects"]
    assert account["namespace"] == "rooms"
    assert objects["ConfigMap", "greenroom-settings"]["data"].items() >= settings.items()


def test_changed_setting_restarts_the_pods() -> None:
    def template(*values: str) -> Any:
        return rendered(*values)["Deployment", "greenroom"]["spec"]["template"]["metadata"]

    assert template() == template()
    assert template() != template("--set", "settings.GREENROOM_WORKERS=3")


def test_values_of_the_pod(tmp_path: Path) -> None:
    digest = f"sha256:{'a' * 64}"
    values = {
        "image": {"repository": "images.example.org/greenroom", "digest": digest, "pullSecrets": ["pull"]},
        "secret": "mine",
        "nodeSelector": {"pool": "tools"},
        "tolerations": [{"key": "tools", "operator": "Exists"}],
        "serviceAccount": {"annotations": {"example.org/role": "greenroom"}},
        "volume": {"size": "5Gi", "storageClass": "fast"},
        "networkPolicy": {"privateNetworks": ["10.1.2.3/32"]},
        "route": False,
        "waker": {"route": False},
        "volumes": [{"name": "authority", "configMap": {"name": "authority"}}],
        "volumeMounts": [{"name": "authority", "mountPath": "/authority"}],
    }
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    objects = rendered("--values", str(tmp_path / "values.yaml"))
    pod = objects["Deployment", "greenroom"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == f"images.example.org/greenroom@{digest}"
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert {"secretRef": {"name": "mine"}} in pod["containers"][0]["envFrom"]
    assert pod["nodeSelector"] == {"pool": "tools"}
    assert pod["tolerations"] == [{"key": "tools", "operator": "Exists"}]
    account = objects["ServiceAccount", "greenroom"]
    assert account["metadata"]["annotations"] == {"example.org/role": "greenroom"}
    claim = objects["PersistentVolumeClaim", "greenroom-data"]["spec"]
    assert claim["storageClassName"] == "fast"
    assert claim["resources"]["requests"]["storage"] == "5Gi"
    egress = objects["NetworkPolicy", "greenroom"]["spec"]["egress"]
    assert egress[2] == {"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}]}
    assert not any(kind == "HTTPRoute" for kind, _ in objects)
    assert not pod["containers"][0].get("env")
    assert [volume["name"] for volume in pod["volumes"]] == ["data", "tmp", "authority"]
    assert pod["containers"][0]["volumeMounts"][-1] == {"name": "authority", "mountPath": "/authority"}


def test_wildcard_of_the_base_domain_is_written_once() -> None:
    """The bot takes the domain in both forms."""
    objects = rendered("--set", "settings.GREENROOM_BASE_DOMAIN=https://*.Previews.example.org:8443/")
    assert objects["HTTPRoute", "greenroom-waker"]["spec"]["hostnames"] == ["*.previews.example.org"]


def test_variables_that_are_no_settings_of_the_bot_are_allowed() -> None:
    names = ("HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "GREENROOM_SECRET_KEY_REPOSITORIES", "GIT_SSH")
    objects = rendered(*(part for name in names for part in ("--set", f"settings.{name}=x")))
    assert set(names) <= objects["ConfigMap", "greenroom-settings"]["data"].keys()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("replicas=2", "More than one replica needs PostgreSQL"),
        ("replicas=0", "replicas"),
        ("imgae.tag=1", "imgae"),
        ("image.digest=latest", "digest"),
        ("settings.GREENROOM_GATEWAY=public", "GREENROOM_GATEWAY"),
        ("settings.GREENROOM_WEBHOOK_SECRET=s3cret", "'GREENROOM_WEBHOOK_SECRET' not allowed"),
        ("settings.GREENROOM_DATABASE_URL=postgresql://u:p@db/g", "'GREENROOM_DATABASE_URL' not allowed"),
        ("settings.GREENROOM_SECRET_STRIPE=sk_1", "'GREENROOM_SECRET_STRIPE' not allowed"),
        ("settings.GREENROOM_DEFAULT_TLL=3d", "'GREENROOM_DEFAULT_TLL' not allowed"),
        ("settings.GREENROOM_BASE_DOMAIN=", "/settings/GREENROOM_BASE_DOMAIN"),
        ("settings.GREENROOM_BASE_DOMAIN=preview.example.com/path", "/settings/GREENROOM_BASE_DOMAIN"),
        ("settings.GREENROOM_PUBLIC_URL=https://", "/settings/GREENROOM_PUBLIC_URL"),
        ("networkPolicy.privateNetworks[0]=10.0.0.1", "/networkPolicy/privateNetworks/0"),
        ("volume.size=2GB", "/volume/size"),
    ],
)
def test_invalid_value_is_refused(value: str, message: str) -> None:
    assert message in refused("--set", value)

"""The file of clusters: what it sets for each cluster, and its errors with line and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.cluster.clusters_file import find_cluster, grants_of, read_clusters
from bot.cluster.policy import ClusterPolicy
from bot.model.clusters import NotGranted
from bot.model.environment import EnvironmentKind
from bot.model.errors import Rejected
from bot.model.repository import Repository
from bot.settings import PodSecurity, Settings, SettingsError

SHOP = Repository(1, 2, "Acme", "Shop")
STAGE, PREVIEW = EnvironmentKind.STAGE, EnvironmentKind.PREVIEW
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_PEM = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

_TWO = """
clusters:
  - name: main
    default: true
  - name: prod
    kubeconfig: {path: KUBECONFIG, context: admin}
    gateway: edge/web
    base_domain: prod.example.com
    pod_security: restricted
    largest_size: cpu=2
    repositories: [Acme/shop]
    environments: [stage]
"""


class Files:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text("{}")

    def settings(self, text: str | None, **more: Any) -> Settings:
        path = self.folder / "clusters.yaml"
        if text is not None:
            path.write_text(text.replace("KUBECONFIG", str(self.kubeconfig)))
        complete = {
            "github_app_id": 12,
            "github_private_key": _PEM,
            "webhook_secret": "secret",
            "public_url": "https://greenroom.example.com",
            "base_domain": "preview.example.com",
            "fork_base_domain": "forks.example.com",
            "gateway": "gateways/public",
            "gateway_address": "10.0.0.1:443",
            "kubeconfig": str(self.kubeconfig),
            "clusters": str(path) if text is not None else None,
        }
        return Settings.model_validate({**complete, **more})

    def problems(self, text: str) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            read_clusters(self.settings(text))
        return [problem.partition("clusters.yaml, ")[2] for problem in caught.value.problems]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_without_a_file_everything_is_on_one_cluster(files: Files) -> None:
    settings = files.settings(None)
    (cluster,) = read_clusters(settings)
    assert (cluster.name, cluster.settings, cluster.listed) == ("default", settings, False)
    assert grants_of((cluster,)).choose(SHOP, PREVIEW, None) == "default"


def test_default_cluster_has_the_settings_and_others_their_own_values(files: Files) -> None:
    settings = files.settings(_TWO)
    main, prod = read_clusters(settings)
    assert (main.name, main.settings) == ("main", settings)
    own = prod.settings
    assert (own.kubeconfig, prod.context) == (str(files.kubeconfig), "admin")
    assert (own.gateway, own.base_domain.host) == ("edge/web", "prod.example.com")
    assert (own.fork_base_domain, own.gateway_address) == (None, None)
    assert (own.pod_security, own.largest_size.cpu) == (PodSecurity.RESTRICTED, "2")
    assert ClusterPolicy.of(own).gateway_namespace == "edge"
    assert find_cluster(settings, "").name == "main"
    with pytest.raises(Rejected, match=r"Unknown cluster other \(clusters: main, prod\)"):
        find_cluster(settings, "other")


def test_grants_name_repositories_and_kinds(files: Files) -> None:
    grants = grants_of(read_clusters(files.settings(_TWO)))
    other = Repository(2, 2, "acme", "web")
    assert grants.choose(SHOP, STAGE, "prod") == "prod"
    assert grants.choose(SHOP, STAGE, None) == "main"
    assert grants.choose(SHOP, PREVIEW, "prod") == NotGranted("prod", ("main",), PREVIEW)
    assert grants.choose(other, STAGE, "prod") == NotGranted("prod", ("main",), STAGE)
    assert grants.choose(other, STAGE, "prud") == NotGranted("prud", ("main",), STAGE)


def test_default_cluster_can_be_closed(files: Files) -> None:
    text = _TWO.replace("default: true", "default: true\n    environments: [preview]")
    grants = grants_of(read_clusters(files.settings(text)))
    assert grants.choose(SHOP, STAGE, None) == NotGranted("", ("prod",), STAGE)


_MAIN = "clusters:\n- name: main\n  default: true\n"
_PROD = (
    f"{_MAIN}- name: prod\n  kubeconfig: KUBECONFIG\n  gateway: edge/web\n  base_domain: prod.example.com\n"
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("clusters: [", "line 2: "),
        ("- name: main", "line 1: expected one mapping with the fields: clusters"),
        ("clusters: []", "line 1, clusters: must have at least 1 entries"),
        (f"{_MAIN}  gatway: a/b\n", "line 4, clusters[0].gatway: unknown field"),
        ("clusters:\n- default: true\n", "line 2, clusters[0].name: required field is missing"),
        ("clusters:\n- name: Main\n", "line 2, clusters[0].name: a name has at most 40"),
        (_PROD.replace("edge/web", "web"), "line 6, clusters[1].gateway: expected NAMESPACE/NAME"),
        (_PROD.replace("  gateway: edge/web\n", ""), "line 4, clusters[1]: a cluster other than the default"),
        (
            _PROD.replace("KUBECONFIG", "/none"),
            "line 5, clusters[1].kubeconfig.path: the file",
        ),
        (_PROD.replace("KUBECONFIG", "kubeconfig"), "line 5, clusters[1].kubeconfig.path: the file cannot"),
        (f"{_PROD}  in_cluster: true\n", "line 4, clusters[1]: expected one of `kubeconfig` and"),
        (f"{_PROD}  environments: [stages]\n", "line 8, clusters[1].environments[0]: expected 'preview'"),
        (f"{_PROD}  repositories: [shop]\n", "line 8, clusters[1].repositories[0]: expected OWNER/NAME"),
        (f"{_PROD}  default: true\n", "line 8, clusters[1].default: exactly one cluster must have"),
        (
            _PROD.replace("default: true", "default: false\n  in_cluster: true"),
            "line 2, clusters[0]: a cluster",
        ),
        (_PROD.replace("name: prod", "name: main"), "line 4, clusters[1].name: another cluster has the name"),
        (
            _PROD.replace("prod.example.com", "https://forks.example.com"),
            "line 7, clusters[1].base_domain: the cluster 'main' has the same domain",
        ),
    ],
)
def test_problems_name_line_and_field(files: Files, text: str, problem: str) -> None:
    (first, *_) = files.problems(text)
    assert first.startswith(problem), first


def test_problems_contain_no_content_of_a_kubeconfig(files: Files) -> None:
    text = _PROD.replace("KUBECONFIG", "{path: KUBECONFIG, token: hunter2-hunter2}")
    assert not any("hunter2" in problem for problem in files.problems(text))

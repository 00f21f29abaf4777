"""The versions in docs/running.md are those that the tests on the node run."""

import re

from tests.node.image import ROOT

_NAMES = {
    "Kubernetes": "KUBERNETES",
    "Gateway API": "GATEWAY_API",
    "Traefik": "TRAEFIK",
    "kube-router": "KUBE_ROUTER",
    "containerd": "CONTAINERD",
    "CoreDNS": "COREDNS",
    "metrics-server": "METRICS_SERVER",
}


def test_documented_versions_are_those_of_the_node() -> None:
    page = (ROOT / "docs" / "running.md").read_text()
    _, _, section = page.partition("\n## Tested versions\n")
    rows = [row for row in section.partition("\n## ")[0].splitlines() if row.startswith("| ")]
    settings = (ROOT / "tests" / "node" / "scripts" / "common.sh").read_text()
    versions = dict(re.findall(r"\b([A-Z_]+)=(\d+\.\d+\.\d+)", settings))
    for name, variable in _NAMES.items():
        assert any(name in row and versions[variable] in row for row in rows), name

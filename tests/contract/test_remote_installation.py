"""A cluster prepared by the commands of docs/clusters.md: its kubeconfig is that of the confined bot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bot.cluster.client.connection import connect
from bot.cluster.clusters_file import read_clusters
from bot.cluster.confinement import NotConfined, await_confinement, prove_confinement
from bot.doctor.cluster import ClusterChecks
from bot.embedded.installation import BASE
from tests.kubernetes.control_plane import ControlPlane, control_plane
from tests.unit.cli.settings import doctor_settings

pytestmark = pytest.mark.cluster

_ROOT = BASE.parents[1]
_BLOCK = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_APP = 123456
"""The id of the App in the page's example."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """One of its own, in which nothing is installed."""
    with control_plane() as running:
        yield running


@pytest.fixture(scope="module")
def prepared(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig that the page's section on preparing a cluster writes."""
    _, _, section = (_ROOT / "docs" / "clusters.md").read_text().partition("\n## Prepare a cluster\n")
    kustomization, apply, kubeconfig = _BLOCK.findall(section.partition("\n## ")[0])
    folder = tmp_path_factory.mktemp("remote")
    (folder / "greenroom").symlink_to(_ROOT)
    own = folder / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(kustomization)
    administrator = yaml.safe_load(plane.kubeconfig.read_text())
    administrator["contexts"][0]["name"] = administrator["current-context"] = "prod"
    (folder / "administrator").write_text(yaml.safe_dump(administrator))
    (folder / "kubectl").symlink_to(plane.programs / "kubectl")
    environment = {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "KUBECONFIG": str(folder / "administrator"),
    }
    bash = shutil.which("bash")
    assert bash is not None
    for commands in (apply, kubeconfig):
        done = subprocess.run(
            [bash, "-euo", "pipefail", "-c", commands],
            cwd=own,
            env=environment,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return own / "prod.kubeconfig"


def test_kubeconfig_is_private(prepared: Path) -> None:
    assert prepared.stat().st_mode & 0o077 == 0


async def test_account_is_confined_to_the_app_of_the_page(prepared: Path) -> None:
    async with await connect(prepared) as bot:
        await await_confinement(bot, _APP, 30)
        with pytest.raises(NotConfined):
            await prove_confinement(bot, _APP + 1)


async def test_doctor_finds_all_rights(prepared: Path) -> None:
    (cluster,) = read_clusters(doctor_settings(kubeconfig=str(prepared), github_app_id=_APP))
    async with ClusterChecks(cluster) as checks:
        assert (await checks.version()).startswith("Kubernetes v1.")
        assert await checks.rights() == "complete"


def test_no_bot_is_installed(plane: ControlPlane, prepared: Path) -> None:
    assert prepared.exists()
    assert (
        plane.kubectl(
            "get", "deployments,services,persistentvolumeclaims", "--namespace=greenroom", "--output=name"
        )
        == ""
    )

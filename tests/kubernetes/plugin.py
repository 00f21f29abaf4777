"""Fixtures for real programs: the control plane and the node, each started once, and Kustomize and Helm."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.embedded.world import NodeCluster
from tests.kubernetes import secret_programs, tools
from tests.kubernetes.control_plane import control_plane
from tests.node import cluster

GIVEN = "GREENROOM_TEST_KUBECONFIG"
"""Names the kubeconfig of a throw-away cluster to take instead. It needs the Gateway API's definitions."""


@pytest.fixture(scope="session")
def real_kubeconfig() -> Iterator[Path]:
    """The kubeconfig of an administrator of a real control plane without nodes."""
    if given := os.environ.get(GIVEN):
        yield Path(given)
        return
    with control_plane() as running:
        yield running.kubeconfig


@pytest.fixture(scope="session")
def secrets_kubeconfig() -> Iterator[Path]:
    """Like `real_kubeconfig`, with the kinds of the operators of secrets."""
    if given := os.environ.get(GIVEN):
        secret_programs.define(Path(given))
        yield Path(given)
        return
    with control_plane(secret_programs.crds()) as running:
        yield running.kubeconfig


@pytest.fixture(scope="session")
def node_cluster() -> Iterator[NodeCluster]:
    """A real node with a gateway."""
    with cluster.node_cluster() as running:
        yield running


@pytest.fixture
def real_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kustomize and Helm themselves, first on the PATH."""
    monkeypatch.setenv("PATH", f"{tools.locate()}{os.pathsep}{os.environ['PATH']}")

"""Hostile commits are rejected with a reason before anything is written to the cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.cluster.client.kinds import NAMESPACE
from bot.cluster.health.services import KubernetesServices
from bot.embedded.kubernetes import KubernetesServer
from bot.environments.handler import EnvironmentHandler
from bot.environments.policy import Policy
from bot.environments.port_set import Ports
from bot.github.messages import environment as texts
from bot.github.messages.environment_reasons import describe
from bot.model.environment import EnvironmentState
from bot.model.repository import Repository
from bot.registry.client import RegistryClient
from tests.contract.cluster_harness import Harness, harness_on
from tests.contract.hostile import CASES, PLAIN, Case
from tests.stores import ManualClock, new_store
from tests.unit.environments import fakes
from tests.unit.environments.test_desired_state import PULL
from tests.unit.github.previews import PLACE

READING = frozenset(("GET", "HEAD"))


class GitHub(fakes.FakeGitHub):
    def __init__(self, configuration: str, files: Mapping[str, bytes]) -> None:
        super().__init__()
        self.configuration = configuration
        self._files = files

    async def files(
        self, repository: Repository, commit: str, folders: Collection[str]
    ) -> Mapping[str, bytes]:
        return self._files


@pytest.fixture(scope="module", params=["embedded", pytest.param("real", marks=pytest.mark.cluster)])
async def harness(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Harness]:
    """One cluster for all tests, since none of them writes. No controllers, because they do."""
    async with AsyncExitStack() as stack:
        if request.param == "real":
            kubeconfig, server = request.getfixturevalue("real_kubeconfig"), None
        else:
            server = await stack.enter_async_context(KubernetesServer())
            kubeconfig = server.write_kubeconfig(tmp_path_factory.mktemp("hostile") / "kubeconfig")
        yield await stack.enter_async_context(harness_on(kubeconfig, server))


async def comment_on(harness: Harness, tmp_path: Path, github: GitHub, registry: Any = None) -> str:
    """The pull request's comment after a reconcile."""
    clock = ManualClock()
    store = await new_store(tmp_path / "greenroom.db", clock)
    try:
        bench = fakes.Harness(store, clock)
        registry = registry or bench.registry
        bench.reconciler = EnvironmentHandler(
            Ports(
                environments=store.environments,
                registry=registry,
                renderer=harness.renderer,
                namespaces=harness.namespaces,
                workloads=harness.workloads,
                data=harness.data,
                health=harness.health,
                services=KubernetesServices(harness.api, in_cluster=False),
                gateway=fakes.FakeGateway(),
                secrets={},
                clock=clock,
                describe=describe,
                **fakes.github_ports(github),
            ),
            Policy(),
        )
        await bench.run()
    finally:
        await store.close()
    status = github.reported[-1]
    assert status.state is EnvironmentState.FAILED
    return texts.comment(status, PLACE)


async def nothing_was_written(harness: Harness, before: int) -> None:
    if harness.server is not None:
        assert {call.method for call in list(harness.server.calls)[before:]} <= READING
    listed = await harness.observer.list(NAMESPACE, labels="app.kubernetes.io/managed-by=greenroom")
    ours = f"preview.{PULL.repository.id}."
    assert not [
        item for item in listed.items if ours in item["metadata"]["labels"]["greenroom.dev/environment"]
    ]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_hostile_commit_is_rejected_before_any_write(
    harness: Harness, tmp_path: Path, case: Case
) -> None:
    before = len(harness.server.calls) if harness.server else 0
    text = f"version: 1\nimages: {{shop: ghcr.io/acme/shop}}\nmanifests: {case.manifests}\n{case.more}"
    comment = await comment_on(harness, tmp_path, GitHub(text, case.files))
    assert case.expected in comment.replace("\\", "").replace("&nbsp;", " "), comment
    assert "Traceback" not in comment
    await nothing_was_written(harness, before)


@asynccontextmanager
async def registry_that_sends_to(realm: str) -> AsyncIterator[str]:
    async def answer(_: web.Request) -> web.Response:
        challenge = f'Bearer realm="{realm}",service="registry"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield site.name.removeprefix("http://")
    await runner.cleanup()


@pytest.mark.parametrize(
    "realm",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.96.0.1/api/v1/secrets",
        "http://[fe80::1]/token",
        "http://0.0.0.0/token",
        "http://192.168.0.1/token",
        "file:///etc/passwd",
    ],
)
async def test_registry_redirect_to_a_private_address_is_rejected(
    harness: Harness, tmp_path: Path, realm: str
) -> None:
    before = len(harness.server.calls) if harness.server else 0
    async with registry_that_sends_to(realm) as host, RegistryClient(allowed_hosts=["127.0.0.1"]) as registry:
        text = f"version: 1\nimages: {{shop: '{host}/acme/shop'}}\nmanifests: {PLAIN}\n"
        comment = await comment_on(harness, tmp_path, GitHub(text, {}), registry)
    assert "registry" in comment
    await nothing_was_written(harness, before)

"""The doctor's checks of a cluster, against an embedded API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.cluster.client.connection import ConnectionFailed, connect
from bot.cluster.clusters_file import read_clusters
from bot.cluster.confinement import NotConfined
from bot.cluster.lease import StoreLease
from bot.cluster.names import APP, INSTALLATION, own_annotations, own_labels
from bot.doctor.checks import CheckFailed
from bot.doctor.cluster import ClusterChecks
from bot.doctor.secret_stores import store_problem
from bot.embedded.installation import install
from bot.embedded.kubernetes import KubernetesServer
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from bot.model.manifest import RELEASE_HEADER
from bot.model.repository import Repository
from bot.settings import Settings
from bot.store import Store
from tests.unit.cli.settings import doctor_settings
from tests.unit.cluster.test_gateway import answering, serving

_READY = [{"type": kind, "status": "True"} for kind in ("Accepted", "Programmed")]
_LISTENER = {
    "name": "previews",
    "port": 80,
    "protocol": "HTTP",
    "hostname": "*.preview.example.com",
    "allowedRoutes": {"namespaces": {"from": "All"}},
}


def _checks(settings: Settings) -> ClusterChecks:
    (cluster,) = read_clusters(settings)
    return ClusterChecks(cluster)


def _settings(kubeconfig: Path, **more: Any) -> Settings:
    return doctor_settings(kubeconfig=str(kubeconfig), **more)


@pytest.fixture
async def server() -> AsyncIterator[KubernetesServer]:
    async with KubernetesServer() as running:
        yield running


@pytest.fixture
async def installed(server: KubernetesServer, tmp_path: Path) -> Path:
    """The kubeconfig of the bot, installed for the App 1."""
    administrator = server.write_kubeconfig(tmp_path / "kubeconfig")
    async with await connect(administrator) as client:
        return await install(client, 1, administrator, tmp_path / "bot-kubeconfig", server)


@pytest.fixture
async def checks(installed: Path) -> AsyncIterator[ClusterChecks]:
    async with _checks(_settings(installed)) as connected:
        assert (await connected.version()).startswith("Kubernetes v1.")
        yield connected


async def _create_gateway(server: KubernetesServer, conditions: list[Any], listeners: list[Any]) -> None:
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "public"},
        "spec": {"gatewayClassName": "any", "listeners": listeners},
    }
    headers = {"Authorization": f"Bearer {server.token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
        await client.post("/api/v1/namespaces", json={"metadata": {"name": "gateways"}})
        path = "/apis/gateway.networking.k8s.io/v1/namespaces/gateways/gateways"
        made = await client.post(path, json=gateway)
        assert made.status_code == 201, made.text
        state = {**made.json(), "status": {"conditions": [_complete(condition) for condition in conditions]}}
        assert (await client.put(f"{path}/public/status", json=state)).status_code == 200


def _complete(condition: dict[str, str]) -> dict[str, str]:
    return {"reason": "Any", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z", **condition}


async def test_gateway_for_the_domain_passes(server: KubernetesServer, checks: ClusterChecks) -> None:
    await _create_gateway(server, _READY, [_LISTENER])
    assert await checks.gateway() == "gateways/public serves *.preview.example.com"


async def test_missing_gateway_fails(checks: ClusterChecks) -> None:
    with pytest.raises(CheckFailed, match="Gateway gateways/public does not exist"):
        await checks.gateway()


async def test_gateway_without_controller_fails(server: KubernetesServer, checks: ClusterChecks) -> None:
    await _create_gateway(server, [], [_LISTENER])
    with pytest.raises(CheckFailed, match="no controller has accepted it"):
        await checks.gateway()


async def test_listener_for_another_domain_fails(server: KubernetesServer, checks: ClusterChecks) -> None:
    await _create_gateway(server, _READY, [{**_LISTENER, "hostname": "*.example.org"}])
    with pytest.raises(CheckFailed, match=r"serves \*.example.org, not \*.preview.example.com"):
        await checks.gateway()


async def _create_environment(server: KubernetesServer) -> None:
    """A namespace of the App with a route to a Service that has a ready pod."""
    namespace = {
        "metadata": {
            "name": "gr-shop-pr-7",
            "labels": {**own_labels(EnvironmentKey.preview(1, 7)), APP: "1"},
            "annotations": {
                **own_annotations(EnvironmentKey.preview(1, 7), Repository(1, 1, "acme", "shop")),
                INSTALLATION: "1",
            },
        }
    }
    backend = {"name": "shop", "port": 80}
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "greenroom-route"},
        "spec": {"hostnames": ["pr-7.preview.example.com"], "rules": [{"backendRefs": [backend]}]},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": "IPv4",
        "metadata": {"name": "shop-1", "labels": {"kubernetes.io/service-name": "shop"}},
        "endpoints": [{"addresses": ["10.0.0.9"], "conditions": {"ready": True}}],
    }
    headers = {"Authorization": f"Bearer {server.token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
        for path, body in (
            ("/api/v1/namespaces", namespace),
            ("/apis/gateway.networking.k8s.io/v1/namespaces/gr-shop-pr-7/httproutes", route),
            ("/apis/discovery.k8s.io/v1/namespaces/gr-shop-pr-7/endpointslices", endpoints),
        ):
            made = await client.post(path, json=body)
            assert made.status_code == 201, made.text


async def test_request_through_gateway_and_policy(server: KubernetesServer, tmp_path: Path) -> None:
    """The doctor asks the route of an environment, and names the policy when ready pods do not answer."""
    served = answering("HTTP/1.1 200 OK", f"{RELEASE_HEADER}: abc", "Content-Length: 0")
    no_pod = answering("HTTP/1.1 503 Service Unavailable", "Content-Length: 0")
    no_route = answering("HTTP/1.1 404 Not Found", "Content-Length: 0")
    answer = served
    administrator = server.write_kubeconfig(tmp_path / "kubeconfig")

    async def serve(head: bytes, writer: asyncio.StreamWriter) -> None:
        assert b"\r\nHost: pr-7.preview.example.com\r\n" in head
        await answer(head, writer)

    async with serving(serve) as port:
        settings = _settings(
            administrator, base_domain="http://preview.example.com", gateway_address=f"127.0.0.1:{port}"
        )
        async with _checks(settings) as checks:
            await checks.version()
            assert "no environment with a route runs yet" in await checks.traffic()
            await _create_environment(server)
            expected = "requests for pr-7.preview.example.com reach the pods of gr-shop-pr-7"
            assert await checks.traffic() == expected
            answer = no_pod
            with pytest.raises(CheckFailed, match="admits pods of the namespace gateways"):
                await checks.traffic()
            answer = no_route
            with pytest.raises(CheckFailed, match="does not serve that route"):
                await checks.traffic()


async def test_complete_rights_pass(checks: ClusterChecks) -> None:
    assert await checks.gateway_api() == "gateway.networking.k8s.io/v1"
    assert await checks.rights()
    assert await checks.allowed_kinds() == "none configured"


async def test_kinds_that_the_cluster_does_not_serve_are_named(installed: Path) -> None:
    settings = _settings(installed, secret_stores="acme/*=vault", allowed_kinds="kafkas.strimzi.io/v1=Kafka")
    async with _checks(settings) as checks:
        await checks.version()
        with pytest.raises(CheckFailed) as caught:
            await checks.allowed_kinds()
    kafka, external = str(caught.value).splitlines()
    assert "does not serve kafkas.strimzi.io/v1. Install its CustomResourceDefinition" in kafka
    assert "Install the External Secrets Operator, version 0.16 or newer" in external


async def test_granted_stores_that_are_absent_are_named(installed: Path) -> None:
    """The rights that the bot needs to list them are checked too."""
    async with _checks(_settings(installed, secret_stores="acme/*=vault,acme/shop=google")) as checks:
        await checks.version()
        with pytest.raises(CheckFailed) as caught:
            await checks.rights()
        assert str(caught.value).count("get clustersecretstores (external-secrets.io)") == 2
        with pytest.raises(CheckFailed) as caught:
            await checks.secret_stores()
        google, vault = str(caught.value).splitlines()
        assert "ClusterSecretStore google does not exist. Create it, or correct its name" in google
        assert "ClusterSecretStore vault does not exist" in vault


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ({"conditions": [{"type": "Ready", "status": "True"}]}, ""),
        ({}, "No controller has validated"),
        ({"conditions": []}, "No controller has validated"),
        (
            {"conditions": [{"type": "Ready", "status": "False", "message": "unable to log in"}]},
            "is not ready: unable to log in. `kubectl describe clustersecretstore vault`",
        ),
    ],
)
def test_store_is_ready_when_its_controller_reports_that(status: dict[str, Any], problem: str) -> None:
    assert problem in store_problem("vault", {"status": status})
    assert bool(problem) == bool(store_problem("vault", {"status": status}))


async def test_missing_rights_are_named_with_advice(server: KubernetesServer, checks: ClusterChecks) -> None:
    server.deny(verb="delete", resource="namespaces")
    server.deny(resource="httproutes")
    with pytest.raises(CheckFailed) as caught:
        await checks.rights()
    message = str(caught.value)
    assert "delete namespaces (core)" in message
    assert "watch httproutes (gateway.networking.k8s.io)" in message
    assert "deploy/base/rights.yaml" in message


async def test_confined_account_passes(checks: ClusterChecks) -> None:
    assert await checks.confinement() == "writes are limited to namespaces of the App 1"


async def test_store_waits_for_the_active_one(installed: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'greenroom.db'}"
    store = await Store.open(url)
    await store.migrate()
    own = await store.identity.read()
    await store.close()
    async with (
        await connect(installed) as api,
        _checks(_settings(installed, database_url=url)) as checks,
    ):
        await checks.version()
        assert await checks.active_store() == f"the store {own.id} can work"
        lease = StoreLease(api)
        await lease.look("other")
        await lease.take(replace(own, id="other"))
        with pytest.raises(CheckFailed, match=r"Another store \(other\) is active in this cluster"):
            await checks.active_store()


async def test_account_without_policy_fails(server: KubernetesServer, checks: ClusterChecks) -> None:
    server.confinement.confine("nobody:nobody", 1)
    with pytest.raises(NotConfined) as caught:
        await checks.confinement()
    assert "it may create rights in the namespace default" in str(caught.value)
    assert "Apply deploy/base/rights.yaml and deploy/base/policy.yaml" in str(caught.value)
    assert "must name greenroom in the namespace greenroom" in str(caught.value)


async def test_policy_for_another_app_fails(server: KubernetesServer, checks: ClusterChecks) -> None:
    server.confinement.confine("greenroom:greenroom", 2)
    with pytest.raises(NotConfined, match="GREENROOM_GITHUB_APP_ID"):
        await checks.confinement()


async def test_administrator_is_refused(server: KubernetesServer, tmp_path: Path) -> None:
    async with _checks(_settings(server.write_kubeconfig(tmp_path / "kubeconfig"))) as checks:
        await checks.version()
        with pytest.raises(Rejected, match="must use a ServiceAccount"):
            await checks.confinement()


async def test_unreadable_secrets_namespace_is_explained(installed: Path) -> None:
    async with _checks(_settings(installed, secrets_namespaces="default")) as checks:
        await checks.version()
        with pytest.raises(CheckFailed, match="must bind the ClusterRole greenroom-secrets there"):
            await checks.secrets()


async def test_secrets_without_repositories_fail(
    server: KubernetesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENROOM_SECRET_STRIPE_KEY", "sk_test_4711")
    settings = _settings(server.write_kubeconfig(tmp_path / "kubeconfig"), secrets_namespaces="vault")
    async with _checks(settings) as checks:
        await checks.version()
        with pytest.raises(CheckFailed) as caught:
            await checks.secrets()
        assert str(caught.value).splitlines() == [
            "GREENROOM_SECRET_STRIPE_KEY has no repositories. "
            "Set GREENROOM_SECRET_STRIPE_KEY_REPOSITORIES, such as acme/shop.",
            "No Secret in namespace vault has the annotation greenroom.dev/repositories. "
            "Add it to the Secrets, or remove the namespace from GREENROOM_SECRETS_NAMESPACES.",
        ]

        monkeypatch.setenv("GREENROOM_SECRET_STRIPE_KEY_REPOSITORIES", "acme/shop")
        headers = {"Authorization": f"Bearer {server.token}"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
            await client.post("/api/v1/namespaces", json={"metadata": {"name": "vault"}})
            annotations = {"greenroom.dev/repositories": "acme/shop"}
            secret = {"metadata": {"name": "mail", "annotations": annotations}}
            made = await client.post("/api/v1/namespaces/vault/secrets", json=secret)
            assert made.status_code == 201, made.text
        message = await checks.secrets()
    assert message == "available: env:STRIPE_KEY, kubernetes:vault/mail"


async def test_no_secrets_pass(checks: ClusterChecks) -> None:
    assert await checks.secrets() == "none configured"


async def test_missing_kubeconfig_fails(tmp_path: Path) -> None:
    async with _checks(_settings(tmp_path / "none")) as checks:
        with pytest.raises(ConnectionFailed, match="does not exist"):
            await checks.version()

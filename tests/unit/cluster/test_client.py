"""The Kubernetes client on the embedded API server."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import certifi
import pytest
import yaml

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.connection import connect
from bot.cluster.client.errors import Conflict, Refused
from bot.cluster.client.kinds import CONFIG_MAP, HTTP_ROUTE, NODE, POD
from bot.embedded.kubernetes import KubernetesServer


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[KubernetesApi]:
    path = tmp_path / "kubeconfig"
    async with KubernetesServer() as server, await connect(server.write_kubeconfig(path)) as api:
        yield api


def config(name: str, **data: str) -> Object:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def test_second_connection_with_the_same_inline_certificates(tmp_path: Path) -> None:
    authority = base64.b64encode(certifi.contents().encode()).decode()
    config = {
        "clusters": [
            {"name": "a", "cluster": {"server": "https://a", "certificate-authority-data": authority}}
        ],
        "users": [{"name": "a", "user": {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    for _ in range(2):
        async with await connect(path):
            pass


def test_resource_paths() -> None:
    assert POD.path() == "/api/v1/pods"
    assert POD.path("shop", "web", "log") == "/api/v1/namespaces/shop/pods/web/log"
    assert NODE.path("ignored", "node") == "/api/v1/nodes/node"
    assert HTTP_ROUTE.path("shop") == "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes"


async def test_verbs(client: KubernetesApi) -> None:
    made = await client.create(CONFIG_MAP, config("a", x="1"))
    with pytest.raises(Refused) as refused:
        await client.create(CONFIG_MAP, config("a"))
    assert refused.value.already_exists
    assert 'configmaps "a" already exists' in str(refused.value)
    await client.patch(CONFIG_MAP, "a", {"data": {"y": "2"}}, "default")
    with pytest.raises(Conflict, match="the object has been modified"):
        await client.replace(CONFIG_MAP, made)
    jumped = [{"op": "replace", "path": "/data/x", "value": "3"}]
    assert (await client.patch(CONFIG_MAP, "a", jumped, "default", style="json-patch"))["data"]["x"] == "3"
    assert (await client.apply(config("a", x="4")))["data"]["x"] == "4"
    listed = await client.list(CONFIG_MAP, "default", fields="metadata.name=a")
    assert [(item["kind"], item["metadata"]["name"]) for item in listed.items] == [("ConfigMap", "a")]
    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAP, "a", "default", preconditions={"uid": "another"})
    for _ in range(2):
        await client.delete(CONFIG_MAP, "a", "default")
    assert await client.find(CONFIG_MAP, "a", "default") is None
    with pytest.raises(Refused) as absent:
        await client.get(CONFIG_MAP, "a", "default")
    assert absent.value.not_found


async def test_loopback_server_is_not_reached_through_a_proxy(
    client: KubernetesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert await client.find(CONFIG_MAP, "a", "default") is None

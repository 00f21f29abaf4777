"""The real kubectl, built with the control plane, against the embedded API server."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from bot.embedded.kubernetes import KubernetesServer
from tests.kubernetes import binaries

pytestmark = pytest.mark.cluster

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - {name: web, image: "shop:1", ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80}]}
"""


class Kubectl:
    def __init__(self, server: KubernetesServer, folder: Path) -> None:
        self.kubeconfig = server.write_kubeconfig(folder / "kubeconfig")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "KUBECONFIG": str(self.kubeconfig),
        }

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            binaries.locate() / "kubectl",
            *arguments,
            stdin=pipe,
            stdout=pipe,
            stderr=asyncio.subprocess.STDOUT,
            env=self.environment,
        )

    async def run(self, *arguments: str, stdin: str = "") -> tuple[int, str]:
        process = await self.start(*arguments)
        out, _ = await asyncio.wait_for(process.communicate(stdin.encode()), 20)
        return process.returncode or 0, out.decode()

    async def __call__(self, *arguments: str, stdin: str = "") -> str:
        code, out = await self.run(*arguments, stdin=stdin)
        assert code == 0, out
        return out


@pytest.fixture
def kubectl(server: KubernetesServer, tmp_path: Path) -> Kubectl:
    return Kubectl(server, tmp_path)


async def test_apply_get_describe_and_delete(kubectl: Kubectl) -> None:
    applied = await kubectl("apply", "--server-side", "-f", "-", stdin=MANIFEST)
    assert "deployment.apps/shop serverside-applied" in applied
    row = (await kubectl("get", "deployment", "shop", "-o", "wide")).splitlines()
    assert row[0].split() == [
        "NAME",
        "READY",
        "UP-TO-DATE",
        "AVAILABLE",
        "AGE",
        "CONTAINERS",
        "IMAGES",
        "SELECTOR",
    ]
    assert row[1].split()[:4] == ["shop", "0/2", "0", "0"]
    assert row[1].split()[5:] == ["web", "shop:1", "app=shop"]
    assert json.loads(await kubectl("get", "svc", "shop", "-o", "json"))["spec"]["clusterIP"]
    assert "RollingUpdateStrategy:  25% max unavailable" in await kubectl("describe", "deployment", "shop")
    deleted = await kubectl("delete", "deployment/shop")
    assert deleted == 'deployment.apps "shop" deleted from default namespace\n'
    code, out = await kubectl.run("get", "deployment", "shop")
    assert (code, out) == (1, 'Error from server (NotFound): deployments.apps "shop" not found\n')


async def test_conflict_names_the_manager(kubectl: Kubectl) -> None:
    await kubectl("apply", "--server-side", "--field-manager=bot", "-f", "-", stdin=MANIFEST)
    changed = MANIFEST.replace("replicas: 2", "replicas: 3")
    code, out = await kubectl.run("apply", "--server-side", "-f", "-", stdin=changed)
    assert code == 1
    assert 'conflict with "bot": .spec.replicas' in out
    await kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=changed)


async def test_unknown_field_is_refused(kubectl: Kubectl) -> None:
    code, out = await kubectl.run("create", "-f", "-", stdin=MANIFEST.replace("replicas", "replicsa"))
    assert code == 1
    assert 'unknown field "spec.replicsa"' in out


async def test_watch_and_wait_follow_changes(kubectl: Kubectl) -> None:
    settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n"
    await kubectl("apply", "--server-side", "-f", "-", stdin=settings)
    watch = await kubectl.start("get", "configmap", "settings", "-w", "--no-headers")
    assert watch.stdout is not None
    assert (await asyncio.wait_for(watch.stdout.readline(), 10)).split()[:2] == [b"settings", b"1"]
    waiting = await kubectl.start("wait", "configmap/settings", "--for=jsonpath={.data.c}=d", "--timeout=10s")
    await kubectl("patch", "configmap", "settings", "-p", '{"data": {"c": "d"}}')
    assert (await asyncio.wait_for(watch.stdout.readline(), 10)).split()[:2] == [b"settings", b"2"]
    assert await asyncio.wait_for(waiting.wait(), 10) == 0
    watch.terminate()
    await watch.communicate()


async def test_namespace_deletion_waits_for_its_content(kubectl: Kubectl) -> None:
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: preview}\n"
    await kubectl("apply", "-f", "-", stdin=namespace)
    await kubectl("apply", "--namespace=preview", "-f", "-", stdin=MANIFEST)
    await kubectl("delete", "namespace", "preview", "--timeout=10s")
    assert "preview" not in await kubectl("get", "namespaces")


async def test_denied_request_is_forbidden(kubectl: Kubectl, server: KubernetesServer) -> None:
    server.deny(verb="list", resource="secrets")
    _, out = await kubectl.run("get", "secrets")
    assert out == (
        'Error from server (Forbidden): secrets is forbidden: User "greenroom" cannot list '
        'resource "secrets" in API group "" in the namespace "default"\n'
    )


async def test_client_side_apply_and_scale(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=MANIFEST)
    again = await kubectl("apply", "-f", "-", stdin=MANIFEST.replace("shop:1", "shop:2"))
    assert again == "deployment.apps/shop configured\nservice/shop unchanged\n"
    assert await kubectl("scale", "deployment/shop", "--replicas=5") == "deployment.apps/shop scaled\n"


async def test_kubeconfig_is_private(kubectl: Kubectl) -> None:
    assert kubectl.kubeconfig.stat().st_mode & 0o777 == 0o600

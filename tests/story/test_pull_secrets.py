"""Images of a private registry: nodes pull them with credentials that the operator grants."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from bot.cluster.client.kinds import NAMESPACE, ROLE_BINDING, SECRET
from bot.embedded.registry import RegistryServer
from tests.story.conftest import Scenario, embedded_only, new_scenario, operated

pytestmark = [pytest.mark.long, embedded_only]

PASSWORD = "pulls-only-4711"
REGISTRIES = "registries"
PRODUCTION = b"      imagePullSecrets: [{name: credentials-of-production}]\n"


async def test_private_images_run_with_the_operators_pull_secret(small: Scenario, tmp_path: Path) -> None:
    site, world = small.site, small.world
    server = RegistryServer(world.folder / "registry", users={"robot": PASSWORD})
    async with server as registry:
        encoded = base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
        credentials = json.dumps({"auths": {registry.host: {"auth": encoded}}})
        file = tmp_path / "credentials.json"
        file.write_text(credentials)
        await _grant(small, credentials)
        settings = {
            "GREENROOM_REGISTRY_CREDENTIALS": str(file),
            "GREENROOM_PRIVATE_REGISTRIES": registry.host,
            "GREENROOM_PULL_SECRETS": f"{small.organization}/*={REGISTRIES}/private",
        }
        async with operated(site, **settings) as private, new_scenario(private) as other:
            await small.push("main", _private(small, registry.host))
            number = await small.open("spring", {"sentence.txt": b"Spring."})
            await small.wait_until_ready(number)
            assert (await small.page(number)).text == "Spring."
            comment = await small.comment_with(number, "is ready")
            assert "credentials-of-production" not in comment, "it is replaced, not missing"

            await other.create(_private(other, registry.host))
            ungranted = await other.open("spring", {"sentence.txt": b"Not yet on the node."})
            await other.comment_with(ungranted, "`Secret/credentials-of-production`", "pull")

            shown = [*small.comments(number), private.bot.log.read_text(errors="replace")]
            await small.close(number)
            await small.no_namespace()
        assert not any(PASSWORD in text or encoded in text for text in shown)
    await world.client.delete(NAMESPACE, REGISTRIES)


def _private(scenario: Scenario, registry: str) -> dict[str, bytes]:
    """The sample with an image of the private registry, and the pull secret that production has."""
    public = scenario.world.registry_host.encode()
    files = {path: text.replace(public, registry.encode()) for path, text in scenario.hello().items()}
    files["deploy/hello.yaml"] = files["deploy/hello.yaml"].replace(
        b"      containers:\n", PRODUCTION + b"      containers:\n"
    )
    return files


async def _grant(scenario: Scenario, credentials: str) -> None:
    """The steps of docs/secrets.md for the operator."""
    client = scenario.world.client
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": REGISTRIES}}
    secret: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "private", "namespace": REGISTRIES},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(credentials.encode()).decode()},
    }
    binding = {
        "metadata": {"name": "greenroom", "namespace": REGISTRIES},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "greenroom-secrets",
        },
        "subjects": [{"kind": "ServiceAccount", "namespace": "greenroom", "name": "greenroom"}],
    }
    await client.create(NAMESPACE, namespace)
    await asyncio.gather(client.create(SECRET, secret), client.create(ROLE_BINDING, binding))

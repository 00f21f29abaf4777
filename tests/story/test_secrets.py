"""Secrets are injected into granted repositories only, and never shown, also on failures."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.cluster.client.kinds import NAMESPACE, ROLE_BINDING, SECRET
from tests.story.conftest import CANARY, VAULT, Scenario, Site, operated, organize, real_only, secrets_only
from tests.story.disclosure import assert_not_kept, looked_at, on_github
from tests.story.operators import Administrator
from tests.story.secret_behaviour import Rotation, rotated_and_rolled_back
from tests.story.secret_samples import SERVE

MAIL = "canary in the vault, 22"
FIRST, SECOND = "sk_before_rotation", "sk_after_rotation"
CONFIGURED = b"""
preview:
  secrets: {TOKEN: 'env:CANARY', MAIL: 'kubernetes:canary-vault/mail#password'}
  checks:
    - {name: leak, http: /leak}
    - {name: print, job: {image: hello, command: [python, print_secrets.py]}}
"""
PRINT_SECRETS = (
    b"import os\nprint('I was given', os.environ['TOKEN'], os.environ['MAIL'])\nraise SystemExit(3)\n"
)
CRASH = (
    b"import os\nprint('starting with', os.environ['TOKEN'])\nraise SystemExit('no ' + os.environ['MAIL'])\n"
)


def files(scenario: Scenario) -> dict[str, bytes]:
    hello = scenario.hello()
    return {
        **hello,
        ".greenroom.yml": hello[".greenroom.yml"] + CONFIGURED,
        "Dockerfile": hello["Dockerfile"].replace(
            b"COPY serve.py serve.py", b"COPY serve.py serve.py\nCOPY print_secrets.py print_secrets.py"
        ),
        "serve.py": SERVE,
        "print_secrets.py": PRINT_SECRETS,
    }


@pytest.fixture(scope="package")
async def vault(site: Site) -> AsyncIterator[None]:
    """A repository of the organisation canary, which has two secrets."""
    client = site.world.client
    await client.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": VAULT}})
    annotations = {"greenroom.dev/repositories": "canary/*"}
    for name, value in (("mail", MAIL), ("rotated", FIRST)):
        secret: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": VAULT, "annotations": annotations},
            "data": {"password": base64.b64encode(value.encode()).decode()},
        }
        await client.create(SECRET, secret)
    binding = {
        "metadata": {"name": "greenroom", "namespace": VAULT},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "greenroom-secrets",
        },
        "subjects": [{"kind": "ServiceAccount", "namespace": "greenroom", "name": "greenroom"}],
    }
    await client.create(ROLE_BINDING, binding)
    await asyncio.to_thread(organize, site.world, "canary")
    yield
    await client.delete(NAMESPACE, VAULT)


@pytest.fixture
async def canary(site: Site, vault: None) -> AsyncIterator[Scenario]:
    scenario = Scenario(site, f"canary/shop-{secrets.token_hex(3)}")
    await scenario.create(files(scenario))
    yield scenario
    await scenario.end()


@real_only
async def test_secrets_are_injected_and_never_shown(canary: Scenario, small: Scenario) -> None:
    number = await canary.open("spring", {"sentence.txt": b"Spring."})
    await canary.comment_with(number, "its checks failed", "❌ `leak`", "❌ `print`")
    assert (await canary.page(number)).text == hashlib.sha256(CANARY.encode()).hexdigest()
    [shown_by_job] = canary.github.checks.runs(canary.repository, name="greenroom/print")
    assert "I was given [hidden] [hidden]" in str(shown_by_job.output.text)

    shown = [await looked_at(canary, number)]

    await canary.push("spring", {"serve.py": CRASH})
    comment = await canary.comment_with(number, "failed", "starting with [hidden]")
    assert "no [hidden]" in comment
    shown.append(await looked_at(canary, number))
    assert all("I was given [hidden] [hidden]" in text for text in shown), "the pages do show logs"
    assert "starting with [hidden]" in shown[-1]

    await small.push("main", {".greenroom.yml": small.hello()[".greenroom.yml"] + CONFIGURED})
    others = await small.open("spring", {"sentence.txt": b"Spring."})
    comment = await small.comment_with(others, "secrets `MAIL`, `TOKEN` are unavailable")
    assert f"does not contain {small.repository}" in comment
    assert await small.namespaces() == []

    await assert_not_kept(canary, CANARY, MAIL)
    for value in (CANARY, MAIL):
        for form in (value, base64.b64encode(value.encode()).decode()):
            assert not any(form in text for text in (*shown, on_github(small)))


@real_only
async def test_fork_runs_without_secrets_and_its_comment_shows_that(canary: Scenario) -> None:
    number = await canary.fork({"sentence.txt": b"M"})
    await canary.comment_with(number, "This pull request has no preview")
    # A fork's CI cannot write where the repository's images are, so a maintainer has it built there.
    await canary.world.builder.build(canary.repository, canary.head(number), files(canary))
    await canary.comment(number, "/preview")
    await canary.comment_with(number, "its checks failed", "A fork gets no secrets", "`MAIL`, `TOKEN`")
    assert (await canary.page(number)).text == hashlib.sha256(b"").hexdigest()
    assert await canary.world.client.find(SECRET, "greenroom-secrets", canary.namespace(number)) is None


@secrets_only
async def test_rollback_keeps_what_was_rotated(site: Site, vault: None) -> None:
    def rotate(namespace: str) -> str:
        data = {"stringData": {"password": SECOND}}
        words = ("patch", "secret", "rotated", f"--namespace={VAULT}", f"--patch={json.dumps(data)}")
        version = "--output=jsonpath={.metadata.resourceVersion}"
        return Administrator(site).kubectl(*words, version)

    async with operated(site, GREENROOM_SECRETS_INTERVAL="3s") as following:
        secret = await site.world.client.get(SECRET, "rotated", VAULT)
        version = str(secret["metadata"]["resourceVersion"])
        reference = f"kubernetes:{VAULT}/rotated#password"
        scenario = Scenario(following, f"canary/shop-{secrets.token_hex(3)}")
        rotation = Rotation(reference, "", (FIRST, SECOND), rotate, version)
        await rotated_and_rolled_back(scenario, rotation)
        await scenario.end()

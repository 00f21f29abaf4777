"""A fork's release tries to read the secrets of a stage."""

from __future__ import annotations

import asyncio

import pytest

from tests.story.conftest import Scenario
from tests.story.stages import Stages, staged

_PIPELINE = "\nstages:\n  guarded: {secrets: {TOKEN: 'env:CANARY'}}\n  open: {}\n"
_SERVE = b"import os\nopen('sentence.txt', 'w').write(f\"read {os.environ.get('STOLEN', 'nothing')}\")\n"
_SECRET = b"""
apiVersion: v1
kind: Secret
metadata: {name: team}
stringData: {key: for the team only}
"""


def _reading(manifests: bytes, secret: str) -> bytes:
    """The manifests with a variable that is read from the Secret, if it exists."""
    reference = f"{{name: {secret}, key: key, optional: true}}"
    variable = f"          env: [{{name: STOLEN, valueFrom: {{secretKeyRef: {reference}}}}}]\n"
    return manifests.rstrip() + b"\n" + variable.encode()


async def _push(stages: Stages, fork: int, secret: str) -> None:
    """Mallory pushes manifests that read a Secret, and ada allows the commit."""
    files = await stages.files("Mine.")
    files["deploy/hello.yaml"] = _reading(files["deploy/hello.yaml"], secret)
    files["serve.py"] = _SERVE + files["serve.py"]
    scenario = stages.scenario
    name = f"mallory/{scenario.organization}-by-mallory"
    await asyncio.to_thread(scenario.github.repositories.push, name, "mine", files, by="mallory")
    await scenario.delivered()
    await stages.comment(fork, "/preview")


@pytest.mark.long
async def test_fork_reads_no_secret_of_a_stage(small: Scenario) -> None:
    async with staged(small, _PIPELINE) as stages:
        files = {**await stages.files("Ours."), "deploy/secret.yaml": _SECRET}
        files["deploy/hello.yaml"] = _reading(files["deploy/hello.yaml"], "team")
        files["serve.py"] = _SERVE + files["serve.py"]
        number = await small.open("feature", files)
        await small.wait_until_ready(number)
        await stages.comment(number, "/promote open")
        await stages.comment_with(number, "✅ Release", "**open**")
        assert (await stages.page("open")).text == "read for the team only"

        fork = await stages.fork("Mine.")
        await _push(stages, fork, "greenroom-secrets")
        await small.comment_with(fork, "belong to objects of Greenroom")

        await _push(stages, fork, "team")
        await small.wait_until_ready(fork)
        await stages.comment(fork, "/promote guarded")
        await stages.comment_with(fork, "⛔ The promotion to", "guarded has secrets")
        assert await stages.digests("guarded") == set()

        await stages.comment(fork, "/promote open")
        await stages.comment_with(fork, "✅ Release", "**open**")
        assert (await stages.page("open")).text == "read nothing"

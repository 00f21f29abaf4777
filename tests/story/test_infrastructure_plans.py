"""The Terraform plan of a stage is part of what is approved. OpenTofu is a stand-in without locks."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cluster.client.kinds import JOB, NAMESPACE, ROLE, SECRET
from bot.model.naming import infrastructure_namespace
from tests.kubernetes import stand_in_tofu
from tests.kubernetes.binaries import cache
from tests.story.conftest import PATIENCE_SECONDS, Scenario, Site, embedded_only, new_scenario, operated
from tests.story.stages import staged

pytestmark = [embedded_only, pytest.mark.long, pytest.mark.timeout(300)]

PASSWORD = "correct-horse-battery"
STAGES = """
stages:
  staging:
    infrastructure: {terraform: infra, outputs: {PASSWORD: password}}
"""
MODULE = f"password = {PASSWORD}\n"


@pytest.fixture
async def provided(site: Site) -> AsyncIterator[Scenario]:
    """Where the operator offers infrastructure."""
    environment = f"PATH={_program().parent}:/usr/bin:/bin KUBE_HOST={site.world.client.url}"
    dockerfile = f"FROM scratch\nUSER 10001\nENV {environment}\n"
    await site.world.build("operator/stand-in", "1", {"Dockerfile": f'{dockerfile}CMD ["tofu"]\n'.encode()})
    image = f"{site.world.registry_host}/operator/stand-in:1"
    async with operated(site, GREENROOM_TERRAFORM_IMAGE=image) as changed, new_scenario(changed) as scenario:
        await scenario.create({**scenario.hello(), "infra/main.tf": MODULE.encode()})
        yield scenario


def _program() -> Path:
    """Not below /tmp, which is a volume of the runs."""
    script = f'#!/bin/sh\nexec {sys.executable} {stand_in_tofu.__file__} "$@"\n'
    folder = cache("tools") / f"stand-in-tofu-{hashlib.sha256(script.encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "tofu"
    program.write_text(script)
    program.chmod(0o755)
    return program


async def _left(scenario: Scenario, namespace: str) -> list[str]:
    """What plans of promotions left."""
    names = [
        item["metadata"]["name"]
        for kind in (SECRET, ROLE, JOB)
        for item in (await scenario.world.client.list(kind, namespace)).items
    ]
    return [name for name in names if re.search(r"-[0-9a-f]{10}$", name)]


async def _namespaces(scenario: Scenario) -> set[str]:
    """Those of infrastructure."""
    listed = (await scenario.world.client.list(NAMESPACE)).items
    names = {item["metadata"]["name"] for item in listed}
    return {name for name in names if name.endswith("--infra")}


async def test_plan_that_destroys_is_approved_by_another_person(provided: Scenario) -> None:
    async with staged(provided, STAGES) as stages:
        extra = f"{MODULE}queue = shop-queue\n"
        first = await provided.open("spring", {"infra/main.tf": extra.encode()})
        await provided.wait_until_ready(first)
        await stages.comment(first, "/promote staging")
        comment = await stages.comment_with(first, "✅ Release", "**staging**")
        assert "it creates `stand_in.password`, `stand_in.queue`" in comment
        environment = await stages.store.environments.get(stages.key("staging"))
        assert environment is not None
        namespace = infrastructure_namespace(environment.namespace)

        second = await provided.open("summer", {"infra/main.tf": MODULE.encode()})
        await provided.wait_until_ready(second)
        await stages.comment(second, "/promote staging")
        comment = await stages.comment_with(second, "destroys `stand_in.queue`", "needs an approval")
        plan = re.search(r"/approve staging ([0-9a-f]{12})", comment)
        assert plan is not None, comment
        await stages.comment(second, f"/approve staging {plan[1]}", by="ada")
        await stages.comment_with(second, "the requester of a promotion cannot approve it")
        await stages.comment(second, f"/approve staging {plan[1]}", by="bea")
        await stages.comment_with(second, "✅ Release", "**staging**")

        third = await provided.open("autumn", {"infra/main.tf": f"{extra}topic = news\n".encode()})
        await provided.wait_until_ready(third)
        await stages.comment(third, "/promote staging")
        await stages.comment_with(third, "✅ Release", "2 to add, 0 to change, 0 to destroy")
        await stages.comment(third, "/rollback staging")
        comment = await stages.comment_with(third, "rolling **staging** back", "destroys `stand_in.queue`")
        await stages.comment(third, "/approve staging", by="bea")
        await stages.comment_with(third, "rolled **staging** back")
        assert await _left(provided, namespace) == []
        texts = str([provided.comments(number) for number in (first, second, third)])
        assert PASSWORD not in texts + provided.bot.log.read_text()


async def test_rejected_promotion_of_a_new_stage_leaves_no_namespace(provided: Scenario) -> None:
    async with staged(provided, f"{STAGES}    approvals: {{count: 1}}\n") as stages:
        number = await provided.open("spring", {"note.txt": b"new"})
        await provided.wait_until_ready(number)
        before = await _namespaces(provided)
        await stages.comment(number, "/promote staging")
        await stages.comment_with(number, "✋ Release", "it creates `stand_in.password`")
        [added] = await _namespaces(provided) - before
        await stages.comment(number, "/reject staging not today", by="bea")
        await stages.comment_with(number, "was rejected", "not today")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while added in await _namespaces(provided):
            assert time.monotonic() < deadline, f"{added} still exists"
            await asyncio.sleep(0.2)

"""Limits on the number, the time to live and the size of previews."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.cluster.client.kinds import CONFIG_MAP, RESOURCE_QUOTA
from bot.embedded.world import DOMAIN
from tests.story.conftest import Scenario, Site, eventually, new_scenario, operated, real_only

pytestmark = real_only

FORKS = f"forks.{DOMAIN}"
HELD = "example.com/hold"
ACCOUNT = b"""
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer}
"""


@pytest.fixture(scope="module")
async def strict(site: Site) -> AsyncIterator[Site]:
    """A site with one preview per repository, a maximum of 30 minutes and a separate domain for forks."""
    limits = {
        "GREENROOM_MAX_PREVIEWS_PER_REPOSITORY": "1",
        "GREENROOM_LONGEST_TTL": "30m",
        "GREENROOM_EXPIRY_INTERVAL": "1s",
        "GREENROOM_FORK_BASE_DOMAIN": f"http://{FORKS}:{site.world.gateway_port}",
        "GREENROOM_FORK_SIZE": "pods=3,memory=1Gi",
    }
    async with operated(site, **limits) as strict:
        yield strict


@pytest.fixture
async def limited(strict: Site) -> AsyncIterator[Scenario]:
    async with new_scenario(strict) as scenario:
        await scenario.create(scenario.hello())
        yield scenario


async def test_second_preview_waits_until_the_first_is_deleted(limited: Scenario) -> None:
    first = await limited.open("first", limited.hello("First."))
    await limited.wait_until_ready(first)
    second = await limited.open("second", limited.hello("Second."))
    comment = await limited.comment_with(second, "is waiting", "1st in the queue")
    assert f"1 of 1 previews of {limited.repository} run" in comment
    assert await limited.namespaces() == [limited.namespace(first)]

    held = {"name": "held", "namespace": limited.namespace(first), "finalizers": [HELD]}
    await limited.world.client.create(CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": held})
    await limited.close(first)
    blocked = "Kubernetes reports what blocks the deletion"
    await limited.comment_with(first, "Deleting the preview", blocked, HELD)
    assert "1st in the queue" in await limited.comment_with(second, "is waiting")

    free = {"metadata": {"finalizers": None}}
    await limited.world.client.patch(CONFIG_MAP, "held", free, limited.namespace(first))
    await limited.comment_with(first, "The preview was deleted")
    await limited.wait_until_ready(second)
    assert (await limited.page(second)).text == "Second."
    assert await limited.namespaces() == [limited.namespace(second)]


async def test_fork_gets_its_own_domain_and_size(limited: Scenario) -> None:
    files = limited.hello("Mine.")
    spec = b"      terminationGracePeriodSeconds: 1\n"
    manifests = files["deploy/hello.yaml"].replace(spec, spec + b"      serviceAccountName: deployer\n")
    files["deploy/hello.yaml"] = manifests + ACCOUNT

    number = await limited.fork(files)
    await limited.comment_with(number, "This pull request has no preview")
    await limited.comment(number, "/preview")
    comment = await limited.comment_with(number, "is ready", "1 left out")
    [run] = limited.github.checks.runs(limited.repository, limited.head(number), name="greenroom/preview")
    shown = f"{run.output.summary}\n{run.output.text}".replace("\\", "")
    assert "`ServiceAccount/deployer`: a fork gets no service accounts" in shown
    assert f".{FORKS}:" in comment
    assert (await limited.page(number, FORKS)).text == "Mine."
    assert (await limited.page(number)).status_code == 404, "nothing under the domain of the others"
    [quota] = (await limited.world.client.list(RESOURCE_QUOTA, limited.namespace(number))).items
    assert {quota["spec"]["hard"][name] for name in ("pods", "requests.memory")} == {"3", "1Gi"}


async def test_ttl_is_reduced_to_the_operators_maximum(limited: Scenario) -> None:
    await limited.push("main", {".greenroom.yml": living(limited, "30d")})
    number = await limited.open("spring", {"sentence.txt": b"Spring."})
    await limited.comment_with(
        number, "is ready", "`preview.ttl` is `30d`; the operator allows at most `30m`"
    )


@pytest.mark.fault  # waits for real deadlines
@pytest.mark.timeout(400)
async def test_preview_warns_is_extended_and_expires(limited: Scenario) -> None:
    await limited.push("main", {".greenroom.yml": living(limited, "40s")})
    number = await limited.open("spring", {"sentence.txt": b"Spring."})
    await limited.wait_until_ready(number)
    other = await limited.open("autumn", {"sentence.txt": b"Autumn."})
    await limited.comment_with(other, "1st in the queue")
    await limited.comment_with(number, "The preview expires on", "`/extend 24h`")
    await limited.comment(number, "/extend 20m")
    await limited.comment_with(number, "The preview now expires on")
    await eventually(
        lambda: not any("The preview expires on" in body for body in limited.comments(number)) or None,
        lambda: f"it still warns: {limited.comments(number)}",
    )
    await limited.wait_until_ready(number)

    await limited.close(number)
    await limited.wait_until_ready(other)  # its time to live starts now
    await limited.comment_with(other, "The preview expires on")
    await limited.comment_with(other, "The preview was deleted", "expired")
    await limited.no_namespace()


def living(scenario: Scenario, time: str) -> bytes:
    return scenario.hello()[".greenroom.yml"] + f"preview: {{ttl: {time}}}\n".encode()

"""Infrastructure of previews and stages, by the real OpenTofu and its built-in resource.

On a real control plane, because its backend encodes Leases in a format that the embedded API server
does not read.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.cluster.client.kinds import JOB, LEASE, NAMESPACE, POD, SECRET
from bot.config.loader import CONFIG_FILE
from bot.embedded.world import World
from bot.model.drift import DriftRecord, DriftState
from bot.model.infrastructure import DRIFT_SLOT
from bot.model.naming import infrastructure_namespace
from tests.kubernetes import opentofu
from tests.story.conftest import PATIENCE_SECONDS, Scenario, Site, new_scenario, operated, real_only
from tests.story.stages import Stages, greenroom, staged
from tests.story.test_drift import issue_in

pytestmark = [real_only, pytest.mark.tools, pytest.mark.timeout(400)]

PASSWORD = "correct-horse-battery"
INFRASTRUCTURE = """
infrastructure:
  terraform: infra
  variables: {number: "{number}", commit: "{sha}"}
  outputs: {GREETING: greeting, PASSWORD: password}
"""
MODULE = """
variable "number" {}
variable "commit" {}
resource "terraform_data" "greeting" {
  input = "Greetings from ${var.number} at ${substr(var.commit, 0, 7)}."
}
resource "terraform_data" "password" { input = "PASSWORD" }
output "greeting" { value = terraform_data.greeting.output }
output "password" {
  value     = terraform_data.password.output
  sensitive = true
}
""".replace("PASSWORD", PASSWORD)
SERVE = b"""
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        known = os.environ.get("PASSWORD", "") == "%s"
        self.wfile.write(f"{os.environ.get('GREETING', 'No greeting.')} Password: {known}".encode())

    def log_message(self, *_):
        pass


HTTPServer((os.environ.get("HOST", ""), 28080), Handler).serve_forever()
""" % PASSWORD.encode()
BROKEN = """
resource "terraform_data" "zone" {{
  provisioner "local-exec" {{ command = "echo the zone is full of {password} >&2; exit 1" }}
}}
"""
SLOW = b"""
resource "terraform_data" "slow" {
  provisioner "local-exec" { command = "sleep 120" }
}
"""
UNDESTROYABLE = b"""
resource "terraform_data" "kept" {
  input = "kept"
  provisioner "local-exec" {
    when    = destroy
    command = "echo the database refuses >&2; exit 1"
  }
}
"""


@pytest.fixture
async def provided(site: Site) -> AsyncIterator[Scenario]:
    """A repository with a module, where the operator offers infrastructure."""
    async with _provided(site) as scenario:
        yield scenario


@pytest.fixture
async def watched(site: Site) -> AsyncIterator[Scenario]:
    """The same site with short intervals between comparisons."""
    short = {"GREENROOM_DRIFT_INTERVAL": "2s", "GREENROOM_DRIFT_INFRASTRUCTURE_INTERVAL": "2s"}
    async with _provided(site, **short) as scenario:
        yield scenario


@contextlib.asynccontextmanager
async def _provided(site: Site, **settings: str) -> AsyncIterator[Scenario]:
    settings = {"GREENROOM_TERRAFORM_IMAGE": await _image(site.world), **settings}
    async with operated(site, **settings) as changed, new_scenario(changed) as scenario:
        await scenario.create(_files(scenario))
        yield scenario


async def _image(world: World) -> str:
    """An image whose program is the one on this machine, since images run as processes here."""
    path = f"{opentofu.locate().parent}:/usr/bin:/bin"
    dockerfile = f'FROM scratch\nUSER 10001\nENV PATH={path} KUBE_HOST={world.client.url}\nCMD ["tofu"]\n'
    await world.build("operator/tofu", "1", {"Dockerfile": dockerfile.encode()})
    return f"{world.registry_host}/operator/tofu:1"


def _files(scenario: Scenario, configuration: str = INFRASTRUCTURE) -> dict[str, bytes]:
    files = scenario.hello()
    text = files[CONFIG_FILE].decode() + configuration
    return {**files, CONFIG_FILE: text.encode(), "serve.py": SERVE, "infra/main.tf": MODULE.encode()}


async def _secrets(scenario: Scenario, number: int) -> list[str]:
    """The names of the Secrets in the namespace of a preview's infrastructure."""
    namespace = infrastructure_namespace(scenario.namespace(number))
    listed = await scenario.world.client.list(SECRET, namespace)
    return [secret["metadata"]["name"] for secret in listed.items]


async def _gone(scenario: Scenario, name: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await scenario.world.client.find(NAMESPACE, name) is not None:
        assert time.monotonic() < deadline, f"{name} still exists"
        await asyncio.sleep(0.2)


def _shown(scenario: Scenario, number: int) -> str:
    """All texts about a pull request."""
    runs = scenario.github.checks.runs(scenario.repository)
    texts = [f"{run.output.title} {run.output.summary} {run.output.text}" for run in runs]
    return json.dumps([*scenario.comments(number), *texts])


async def test_outputs_reach_the_application_and_closing_destroys_first(provided: Scenario) -> None:
    number = await provided.open("spring", _files(provided))
    comment = await provided.wait_until_ready(number)
    assert "2 to add, 0 to change, 0 to destroy" in comment
    assert "`terraform_data.greeting`" in comment
    page = (await provided.page(number)).text
    assert f"Greetings from {number} at {provided.head(number)[:7]}." in page
    assert "Password: True" in page
    assert "greenroom-plan" not in await _secrets(provided, number)

    await provided.push("spring", {"note.txt": b"pushed"})
    comment = await provided.wait_until_ready(number)
    assert "0 to add, 1 to change, 0 to destroy" in comment
    assert provided.head(number)[:7] in (await provided.page(number)).text

    namespace = provided.namespace(number)
    await provided.close(number)
    await _gone(provided, namespace)
    assert await provided.world.client.find(NAMESPACE, infrastructure_namespace(namespace)) is None
    assert PASSWORD not in _shown(provided, number)
    assert PASSWORD not in provided.bot.log.read_text()


async def test_failed_apply_is_shown_and_a_fork_runs_nothing(provided: Scenario) -> None:
    failing = MODULE + BROKEN.format(password=PASSWORD)
    await provided.push("main", {"infra/main.tf": failing.encode()})
    number = await provided.open("spring", _files(provided))
    comment = await provided.comment_with(number, "Terraform failed to apply the plan", "the zone is full")
    assert PASSWORD not in comment
    assert "terraform_data.zone" in comment

    await provided.push("main", {"infra/main.tf": MODULE.encode()})
    await provided.comment(number, "/preview refresh")
    comment = await provided.wait_until_ready(number)
    assert "`terraform_data.zone`" in comment, "what the failed apply left is destroyed"

    fork = await provided.fork({**_files(provided), "infra/main.tf": b"# of a fork"})
    await provided.comment_with(fork, "This pull request has no preview")
    await provided.comment(fork, "/preview")
    comment = await provided.wait_until_ready(fork)
    assert "Terraform never runs for a fork" in comment
    assert "No greeting. Password: False" in (await provided.page(fork)).text
    namespace = infrastructure_namespace(provided.namespace(fork))
    assert await provided.world.client.find(NAMESPACE, namespace) is None
    assert PASSWORD not in _shown(provided, number)


async def test_failed_destroy_keeps_everything_until_it_is_abandoned(provided: Scenario) -> None:
    await provided.push("main", {"infra/kept.tf": UNDESTROYABLE})
    number = await provided.open("spring", _files(provided))
    await provided.wait_until_ready(number)
    namespace = provided.namespace(number)
    await provided.close(number)
    comment = await provided.comment_with(number, "failed to destroy the infrastructure (once)")
    assert "the database refuses" in comment
    assert PASSWORD not in comment
    for name in (namespace, infrastructure_namespace(namespace)):
        assert await provided.world.client.find(NAMESPACE, name) is not None

    key = f"{provided.repository}#{number}"
    code, output = await greenroom(provided, "env", "abandon", key, "--yes")
    assert code == 0, output
    await _gone(provided, namespace)
    assert await provided.world.client.find(NAMESPACE, infrastructure_namespace(namespace)) is None


async def test_plan_that_destroys_in_a_stage_waits_for_its_approval(provided: Scenario) -> None:
    async with staged(provided, f"{INFRASTRUCTURE}stages: {{staging: {{}}}}\n") as stages:
        extra = MODULE + 'resource "terraform_data" "extra" {}\n'
        first = await provided.open("spring", {"infra/main.tf": extra.encode()})
        await provided.wait_until_ready(first)
        await stages.comment(first, "/promote staging")
        await stages.comment_with(first, "✅ Release", "**staging**")

        second = await provided.open("summer", {"infra/main.tf": MODULE.encode()})
        await provided.wait_until_ready(second)
        await stages.comment(second, "/promote staging")
        comment = await stages.comment_with(second, "destroys `terraform_data.extra`", "needs an approval")
        plan = re.search(r"/approve staging ([0-9a-f]{12})", comment)
        assert plan is not None, comment
        await stages.comment(second, f"/approve staging {plan[1]}", by="ada")
        await stages.comment_with(second, "the requester of a promotion cannot approve it")
        environment = await stages.store.environments.get(stages.key("staging"))
        assert environment is not None
        target = environment.overrides.target
        assert target is not None
        assert target.release.number == first, "nothing has changed"
        namespace = infrastructure_namespace(environment.namespace)
        await stages.comment(second, f"/approve staging {plan[1]}", by="bea")
        await stages.comment_with(second, "✅ Release", "**staging**")
        left = (await provided.world.client.list(SECRET, namespace)).items
        assert not [secret for secret in left if "plan" in secret["metadata"]["name"]]
        await stages.comment(second, "/rollback staging", by="bea")
        await stages.comment_with(second, "rolled **staging** back")
        environment = await stages.store.environments.get(stages.key("staging"))
        assert environment is not None
        assert any("1 to add" in note for note in environment.status.notes), environment.status.notes
        assert PASSWORD not in _shown(provided, second)


async def test_killed_run_and_killed_bot_leave_nothing_locked(provided: Scenario) -> None:
    await provided.push("main", {"infra/slow.tf": SLOW})
    number = await provided.open("spring", _files(provided))
    namespace = infrastructure_namespace(provided.namespace(number))
    await _locked(provided, namespace, "OperationTypeApply")
    await provided.bot.kill()
    await provided.bot.start()
    for pod in (await provided.world.client.list(POD, namespace)).items:
        _kill(pod["metadata"]["uid"])
    await provided.comment_with(number, "Terraform failed to apply the plan")
    assert await _holders(provided, namespace), "the lock is left behind"

    await provided.push("main", {"infra/slow.tf": b""})
    await provided.comment(number, "/preview refresh")
    await provided.wait_until_ready(number)
    assert not await _holders(provided, namespace)
    assert "Password: True" in (await provided.page(number)).text


def _kill(uid: str) -> None:
    """Kills the program of a pod, which runs as a process of this machine in the pod's folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_text()
            if "tofu" in command and f"/pods/{uid}/" in command:
                os.kill(int(process.name), signal.SIGKILL)


async def test_changed_resource_of_a_stage_is_found_by_a_plan_and_repaired_by_a_promotion(
    watched: Scenario,
) -> None:
    provided = watched
    async with staged(provided, f"{INFRASTRUCTURE}stages: {{staging: {{}}}}\n") as stages:
        number = await provided.open("spring", {"infra/main.tf": MODULE.encode()})
        await provided.wait_until_ready(number)
        await stages.comment(number, "/promote staging")
        await stages.comment_with(number, "✅ Release", "**staging**")
        environment = await stages.store.environments.get(stages.key("staging"))
        assert environment is not None
        namespace = infrastructure_namespace(environment.namespace)
        record = await _until(stages, lambda record: not record.unreadable)
        assert record.resources is not None
        assert record.state is DriftState.CLEAN

        code, shown = await stages.greenroom("env", "export", f"stage/{stages.id}/staging", "--json")
        assert code == 0, shown
        plan = json.loads(shown)["infrastructure"]["plan"]
        assert (plan["add"], plan["resources"]["created"]) == (
            2,
            ["terraform_data.greeting", "terraform_data.password"],
        )

        await _edit_state(provided, namespace)
        record = await _until(stages, lambda record: bool(record.confirmed))
        differing = {(item.object, item.path) for item in record.confirmed}
        assert differing == {("terraform_data.greeting", "input"), ("terraform_data.password", "")}
        issue = await issue_in(provided, "open")
        assert "@@ terraform_data.password @@\n-the resource" in (issue.body or "")
        code, shown = await stages.greenroom("drift", "--repository", provided.repository, "--json")
        assert code == 1
        assert "terraform_data.greeting" in shown
        await stages.comment(number, "/drift staging", by="dora")
        answer = await stages.comment_with(number, "2 differences in 2 objects", "Terraform resources")
        await _nothing_left(provided, namespace)
        for text in (issue.body or "", shown, answer, provided.bot.log.read_text()):
            assert PASSWORD not in text
            assert "changed by hand" not in text

        await stages.comment(number, "/promote staging")
        await stages.comment_with(number, "1 to add, 1 to change, 0 to destroy")
        await _until(stages, lambda record: record.state is DriftState.CLEAN)


async def _until(stages: Stages, holds: Callable[[DriftRecord], bool]) -> DriftRecord:
    """The record of staging, as soon as it holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (record := await stages.store.drifts.get(stages.key("staging"))) is None or not holds(record):
        assert time.monotonic() < deadline, record
        await asyncio.sleep(0.2)
    return record


async def _nothing_left(scenario: Scenario, namespace: str) -> None:
    """Waits for a moment between two comparisons, in which nothing of the one before exists."""
    deadline, client = time.monotonic() + PATIENCE_SECONDS, scenario.world.client
    while True:
        listed = [(await client.list(kind, namespace)).items for kind in (JOB, SECRET)]
        names = [item["metadata"]["name"] for items in listed for item in items]
        left = [name for name in names if name.endswith(DRIFT_SLOT) or name.startswith("greenroom-plan")]
        if not [name for name in left if not re.fullmatch(r"greenroom-plan-[0-9]+", name)]:
            return
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.1)


async def _edit_state(scenario: Scenario, namespace: str) -> None:
    """Stands for changes by hand: a missing resource, and one with another value."""
    client, name = scenario.world.client, "tfstate-default-greenroom"
    secret = await client.get(SECRET, name, namespace)
    state = json.loads(gzip.decompress(base64.b64decode(secret["data"]["tfstate"])))
    state["resources"] = [item for item in state["resources"] if item["name"] != "password"]
    [greeting] = state["resources"]
    attributes = greeting["instances"][0]["attributes"]
    attributes["input"]["value"] = attributes["output"]["value"] = "changed by hand"
    data = {"tfstate": base64.b64encode(gzip.compress(json.dumps(state).encode())).decode()}
    await client.patch(SECRET, name, {"data": data}, namespace)


async def _locked(scenario: Scenario, namespace: str, operation: str) -> None:
    """Waits until a run holds the lock of the state for this operation."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any(operation in holder for holder in await _holders(scenario, namespace)):
        assert time.monotonic() < deadline, "no run holds the lock"
        await asyncio.sleep(0.2)


async def _holders(scenario: Scenario, namespace: str) -> list[str]:
    """What the held locks record about their holders."""
    leases = (await scenario.world.client.list(LEASE, namespace)).items
    held = [lease for lease in leases if lease["spec"].get("holderIdentity")]
    return [str(lease["metadata"].get("annotations")) for lease in held]

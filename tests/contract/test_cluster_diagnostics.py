"""Diagnostics: events and logs of the environment's own namespace."""

from __future__ import annotations

from bot.cluster.health.diagnostics import DiagnosticsReader
from bot.cluster.names import SECRETS, candidate_name
from bot.cluster.secrets import injected
from tests.contract.cluster_harness import APP_ID, Harness, Running, eventually, of_image
from tests.contract.test_cluster_observe import FAIL
from tests.unit.cluster.manifests import deployment, service


async def test_diagnostics_show_events_and_logs_of_a_crash(running: Running) -> None:
    harness = running.harness
    image = await running.image(serve=FAIL)
    bundle = harness.render(of_image(deployment(), image, "serve"), service(), images={"shop": image})
    await harness.prepare()
    await harness.apply(bundle)
    reader = DiagnosticsReader(harness.api, APP_ID)

    async def is_reported() -> bool:
        diagnostics = await reader.look(harness.namespace, harness.key, 40)
        assert diagnostics.unavailable == ""
        words = any("fatal: no such table: products" in tail.text for tail in diagnostics.logs)
        warned = any(event.warning and event.subject.startswith("Pod ") for event in diagnostics.events)
        return words and warned

    await eventually(is_reported)


async def test_diagnostics_reject_absent_and_foreign_namespaces(harness: Harness) -> None:
    reader = DiagnosticsReader(harness.api, APP_ID)
    absent = await reader.look(harness.namespace, harness.key, 40)
    assert absent.unavailable == f"The namespace {harness.namespace} does not exist."
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": harness.namespace}}
    await harness.observer.apply(body)
    foreign = await reader.look(harness.namespace, harness.key, 40)
    assert foreign.unavailable == f"The namespace {harness.namespace} does not belong to this environment."
    assert foreign.events == foreign.logs == ()


LOGS_SECRETS = """\
import os
key = os.environ["KEY"]
print("key", key, f"\\x1b[31m{key[:7]}\\x1b[0m{key[7:]}", "rotated-hunter2", flush=True)
raise SystemExit(1)
"""
"""The value, with a coloured part, and that of a candidate."""


async def test_diagnostics_redact_injected_secrets(running: Running) -> None:
    harness = running.harness
    image = await running.image(serve=LOGS_SECRETS)
    bundle = harness.render(
        of_image(deployment(), image, "serve"), service(), images={"shop": image}, secrets="digest"
    )
    await harness.prepare()
    secret = injected(harness.namespace, harness.key, harness.repository, {"KEY": "hunter2-hunter2"})
    await harness.api.apply(secret)
    rotated = injected(harness.namespace, harness.key, harness.repository, {"KEY": "rotated-hunter2"})
    rotated["metadata"]["name"] = candidate_name(SECRETS, "gr12345678")
    await harness.api.apply(rotated)
    await harness.apply(bundle)
    reader = DiagnosticsReader(harness.api, APP_ID)
    seen: list[str] = []

    async def is_reported() -> bool:
        seen[:] = [tail.text for tail in (await reader.look(harness.namespace, harness.key, 40)).logs]
        return any("key" in text for text in seen)

    await eventually(is_reported)
    assert not any("hunter2" in text for text in seen)

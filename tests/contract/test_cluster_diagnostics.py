"""What a person sees of a namespace: its events and the ends of its logs, and nothing of anybody else's."""

from __future__ import annotations

from bot.cluster.health.diagnostics import DiagnosticsReader
from bot.cluster.secrets import injected
from bot.embedded.client.resources import NAMESPACES
from tests.contract.cluster_harness import Desk, Running, eventually, of_image
from tests.contract.test_cluster_observe import FAIL
from tests.unit.cluster.manifests import deployment, service


async def test_a_crash_is_seen_with_its_events_and_last_words(running: Running) -> None:
    desk = running.desk
    image = await running.image(serve=FAIL)
    bundle = desk.render(of_image(deployment(), image, "serve"), service(), images={"shop": image})
    await desk.prepare()
    await desk.apply(bundle)
    witness = DiagnosticsReader(desk.api)

    async def told() -> bool:
        sight = await witness.look(desk.namespace, desk.key, 40)
        assert sight.unavailable == ""
        words = any("fatal: no such table: products" in tail.text for tail in sight.logs)
        warned = any(each.warning and each.subject.startswith("Pod ") for each in sight.events)
        return words and warned

    await eventually(told)


async def test_a_namespace_that_is_not_there_or_not_ours_is_not_looked_into(desk: Desk) -> None:
    witness = DiagnosticsReader(desk.api)
    absent = await witness.look(desk.namespace, desk.key, 40)
    assert absent.unavailable == f"The namespace {desk.namespace} does not exist."
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": desk.namespace}}
    await desk.eyes.apply(NAMESPACES, body, field_manager="somebody")
    foreign = await witness.look(desk.namespace, desk.key, 40)
    assert foreign.unavailable == f"The namespace {desk.namespace} does not belong to this environment."
    assert foreign.events == foreign.logs == ()


async def test_what_was_given_as_a_secret_is_hidden_in_what_is_seen(running: Running) -> None:
    desk = running.desk
    image = await running.image(
        serve="import os\nprint('key', os.environ['KEY'], flush=True)\nraise SystemExit(1)"
    )
    bundle = desk.render(
        of_image(deployment(), image, "serve"), service(), images={"shop": image}, secrets="digest"
    )
    await desk.prepare()
    secret = injected(desk.namespace, desk.key, desk.repository, {"KEY": "hunter2-hunter2"})
    await desk.api.apply(secret)
    await desk.apply(bundle)
    witness = DiagnosticsReader(desk.api)
    seen: list[str] = []

    async def told() -> bool:
        seen[:] = [tail.text for tail in (await witness.look(desk.namespace, desk.key, 40)).logs]
        return any("key" in text for text in seen)

    await eventually(told)
    assert not any("hunter2" in text for text in seen)

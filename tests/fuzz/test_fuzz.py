"""Ten thousand inputs of each kind: the server does not fail, nothing leaves its environment,
and no input becomes markup on GitHub."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from bot.cluster.client.kinds import IN_MANIFESTS
from bot.cluster.pod_templates import containers, pod_template
from bot.cluster.render import helm, kustomize
from bot.cluster.render.comparable import comparable
from bot.commands.grammar import Command, Misuse, UnknownCommand, parse
from bot.config.loader import parse_configuration
from bot.github.messages import environment as texts
from bot.github.messages.parity import diff
from bot.model.environment import EnvironmentState, Status, StatusMessage
from bot.model.errors import ConfigurationError, ManifestRefused, Rejected
from bot.model.manifest import Bundle
from bot.model.parity import Comparison
from bot.promotions.parity import Side, differences
from bot.store import Store
from bot.web.application import create_application
from bot.web.metrics import Metrics
from bot.web.webhooks import WebhookEndpoint
from tests.fuzz import inputs
from tests.unit.cluster.manifests import NAMESPACE, deployment, files, render, request, service
from tests.unit.github.previews import PLACE
from tests.webhooks import SECRET, Webhook

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(1800)]

thoroughly = settings(
    max_examples=10_000,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


class Intake:
    """The webhook endpoint over a store on disk."""

    def __init__(self, runner: asyncio.Runner, client: httpx.AsyncClient) -> None:
        self._runner = runner
        self._client = client

    def post(self, webhook: Webhook) -> httpx.Response:
        sent = self._client.post("/webhooks", content=webhook.body, headers=dict(webhook.headers))
        return self._runner.run(sent)


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def start() -> httpx.AsyncClient:
            store = await Store.open(f"sqlite:///{tmp_path / 'greenroom.db'}")
            stack.push_async_callback(store.close)
            await store.migrate()
            application = create_application([WebhookEndpoint(store.deliveries, [SECRET], Metrics()).route()])
            transport = httpx.ASGITransport(application)
            return await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://bot")
            )

        yield Intake(runner, runner.run(start()))
        runner.run(stack.aclose())


@thoroughly
@given(inputs.payloads())
def test_payloads(intake: Intake, webhook: Webhook) -> None:
    answer = intake.post(webhook)
    assert answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text


@thoroughly
@given(inputs.configurations)
def test_configurations(text: bytes) -> None:
    try:
        parse_configuration(text.decode(errors="replace"))
    except ConfigurationError as error:
        readable(error)


@thoroughly
@given(inputs.manifests)
def test_manifests(text: bytes) -> None:
    good = files(deployment("good"), service("good"))
    fuzzed = request(files={**good, "deploy/fuzz.yaml": text}, backend=None, host="")
    try:
        bundle = render(fuzzed)
    except ManifestRefused as error:
        readable(error)
    else:
        stays_inside(bundle)
        compares(bundle)


@thoroughly
@given(inputs.kustomizations)
def test_kustomizations(text: bytes) -> None:
    tree = {
        "deploy/preview/kustomization.yaml": text,
        "deploy/preview/a.yaml": b"{}",
        "deploy/base/kustomization.yaml": b"{}",
        "deploy/part/kustomization.yaml": b"resources: [../base]",
    }
    try:
        plan = kustomize.plan(tree, "deploy/preview", ())
    except ManifestRefused as error:
        readable(error)
    else:
        assert not plan.online
        assert plan.files(tree).keys() <= tree.keys()


@thoroughly
@given(inputs.charts)
def test_charts(text: bytes) -> None:
    tree = {"chart/Chart.yaml": text, "part/Chart.yaml": b"name: part", "secret": b"x"}
    try:
        plan = helm.plan(tree, "chart", (), ())
    except ManifestRefused as error:
        readable(error)
    else:
        assert not plan.remote
        assert not plan.release.startswith("-")
        assert all(path.startswith("chart/") and ".." not in path.split("/") for path in plan.files)


@thoroughly
@given(inputs.comments)
def test_comments(text: str) -> None:
    spoken = parse(text)
    assert spoken is None or isinstance(spoken.first, Command | Misuse | UnknownCommand)
    quoted = "\n".join(f"> {line}" for line in re.split(r"\r\n|\r|\n", text))
    assert parse(quoted) is None
    assert parse(f"<!--{text.replace('-->', '')}") is None


def readable(error: Rejected) -> None:
    """Checks the comment on the pull request: our marker only, and no markup from the input outside code."""
    cause = StatusMessage(str(error), error.detail)
    comment = texts.comment(Status(EnvironmentState.FAILED, commit="a" * 40, cause=cause), PLACE)
    assert "Traceback" not in comment
    shown = outside_code(comment)
    assert shown.count("<!-- greenroom") == 1
    for forbidden in ("<img", "@acme", "](https://evil.test"):
        assert forbidden not in shown, shown


def outside_code(markdown: str) -> str:
    fenced = re.sub(r"^(`{3,})[^`\n]*\n.*?^\1$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", fenced)


def stays_inside(bundle: Bundle) -> None:
    allowed = {kind.name for kind in IN_MANIFESTS}
    for manifest in [manifest for wave in bundle.waves.values() for manifest in wave]:
        assert manifest["kind"] in allowed
        assert manifest["metadata"]["namespace"] == NAMESPACE
        template = pod_template(manifest)
        if template is not None:
            is_isolated_from_its_node(template)


def compares(bundle: Bundle) -> None:
    """Checks that the diff with another stage contains printable characters only."""
    stage = Side(comparable(bundle), {})
    other = Side(comparable(render(request(deployment("good"), service("good"), backend=None, host=""))), {})
    assert differences(stage, stage) == ()
    lines = diff(Comparison("staging", "production", differences(stage, other)))
    assert all(line.isprintable() for line in lines)


def is_isolated_from_its_node(template: Any) -> None:
    spec = template["spec"]
    assert not any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC", "nodeName"))
    assert not any("hostPath" in (volume or {}) for volume in spec.get("volumes") or [])
    for container in containers(template):
        assert not container["securityContext"].get("privileged")
        assert not any(port.get("hostPort") for port in container.get("ports") or [])

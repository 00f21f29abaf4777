"""No input occupies the event loop for more than 50 ms of processor time.

Each input takes the way of the bot: deliveries through the endpoint, the others through the functions that
coroutines call, in the thread in which those call them.
"""

from __future__ import annotations

import asyncio
import gc
import json
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import Tools
from bot.config.loader import parse_configuration
from bot.github.messages import environment as texts
from bot.model.environment import EnvironmentState, Status, StatusMessage
from bot.model.errors import ConfigurationError, ManifestRefused, Rejected
from tests.fuzz import inputs
from tests.fuzz.loop_time import require_short_callbacks
from tests.fuzz.test_fuzz import Intake, intake  # noqa: F401  # a fixture
from tests.unit.cluster.manifests import POLICY, config_map, deployment, files, request, service
from tests.unit.github.previews import PLACE
from tests.webhooks import Webhook, changed, fixture, signed

MOST_SECONDS = 0.05

thoroughly = settings(
    max_examples=10_000,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
fuzz = [pytest.mark.fuzz, pytest.mark.timeout(1800)]


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Excludes garbage collection of pytest's objects from an input's time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def within_limit(runner: asyncio.Runner, step: Callable[[], Awaitable[object]]) -> None:
    async def run() -> None:
        await step()

    require_short_callbacks(MOST_SECONDS, lambda: runner.run(run()))


def comment(error: Rejected) -> str:
    cause = StatusMessage(str(error), error.detail)
    return texts.comment(Status(EnvironmentState.FAILED, commit="a" * 40, cause=cause), PLACE)


async def configure(text: bytes) -> None:
    try:
        parse_configuration(text.decode(errors="replace"))
    except ConfigurationError as error:
        comment(error)


async def render(manifest: bytes) -> None:
    good = files(deployment("good"), service("good"))
    fuzzed = request(files={**good, "deploy/fuzz.yaml": manifest}, backend=None, host="")
    renderer = ManifestRenderer(POLICY, Tools())
    try:
        await renderer.comparable(fuzzed)
    except ManifestRefused as error:
        comment(error)


def comment_payload(text: str) -> Any:
    return fixture("issue_comment.created").payload["comment"] | {"body": text}


def post(intake: Intake, event: str, body: bytes) -> None:  # noqa: F811  # the fixture
    def deliver() -> None:
        assert intake.post(signed(event, body, guid=str(uuid.uuid4()))).status_code in (202, 400)

    require_short_callbacks(MOST_SECONDS, deliver)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


class TestCorpus:
    pytestmark = fuzz

    @thoroughly
    @given(inputs.payloads())
    def test_payloads(self, intake: Intake, webhook: Any) -> None:  # noqa: F811  # the fixture
        def deliver() -> None:  # not a delivery that is known already
            intake.post(Webhook({**webhook.headers, "X-GitHub-Delivery": str(uuid.uuid4())}, webhook.body))

        require_short_callbacks(MOST_SECONDS, deliver)

    @thoroughly
    @given(inputs.comments)
    def test_comments(self, intake: Intake, text: str) -> None:  # noqa: F811  # the fixture
        post(intake, "issue_comment", changed("issue_comment.created", comment=comment_payload(text)))

    @thoroughly
    @given(inputs.configurations)
    def test_configurations(self, runner: asyncio.Runner, text: bytes) -> None:
        within_limit(runner, lambda: configure(text))

    @thoroughly
    @given(inputs.manifests)
    def test_manifests(self, runner: asyncio.Runner, text: bytes) -> None:
        within_limit(runner, lambda: render(text))


_CONFIGURATION = "version: 1\nimages: {shop: ghcr.io/acme/shop}\nmanifests: {plain: deploy/}\n"
LARGEST_CONFIGURATIONS = {
    "list": "a: [" + "1," * 40_000 + "]",
    "patterns": _CONFIGURATION + "preview: {skip: {paths_only: [" + "a," * 40_000 + "]}}",
    "checks": _CONFIGURATION + "preview: {checks: [" + "{http: /}," * 7000 + "]}",
    "variables": _CONFIGURATION + "preview: {config: {" + "".join(f"A{i}: b," for i in range(7000)) + "}}",
    "fields": _CONFIGURATION + "".join(f"a{i}: b\n" for i in range(9000)),
    "command": _CONFIGURATION + "data: {migrate: {image: shop, command: [" + "x," * 40_000 + "]}}",
    "documents": "---\n" * 20_000,
    "aliases": _CONFIGURATION + "x: &a [" + "1," * 1000 + "]\ny: [" + "*a," * 9000 + "]",
    "nested": "[" * 70_000,
    "one text": _CONFIGURATION + "x: " + "a" * 70_000,
}


@pytest.mark.long
@pytest.mark.parametrize("name", LARGEST_CONFIGURATIONS)
def test_largest_configurations(runner: asyncio.Runner, name: str) -> None:
    text = LARGEST_CONFIGURATIONS[name][: 64 * 1024]
    within_limit(runner, lambda: configure(text.encode()))


LARGEST_COMMENTS = {
    "commands": "/preview\n" * 9000,
    "one letter": "/p\n" * 30_000,
    "mistyped": "/previw\n" * 9000,
    "paragraph": "/preview\n" + "a\n" * 40_000,
    "lists": "/preview\n" + "1) a\n" * 20_000,
    "backticks": "/preview\n" + "`a" * 40_000,
    "quotes": "/preview\n" + "> " * 40_000,
    "spaces": "/preview" + " " * 60_000 + "x",
}


@pytest.mark.long
@pytest.mark.parametrize("name", LARGEST_COMMENTS)
def test_largest_comments(intake: Intake, name: str) -> None:  # noqa: F811  # the fixture
    text = comment_payload(LARGEST_COMMENTS[name][:65_536])
    post(intake, "issue_comment", changed("issue_comment.created", comment=text))


_REPOSITORY = {"id": 1, "name": "shop", "default_branch": "main", "owner": {"login": "acme"}}
LARGEST_PAYLOADS = {
    "commits": ("push", "commits", {}),
    "paths": ("push", "commits", {"added": ["a"] * 100}),
    "repositories": ("installation_repositories", "repositories_added", {}),
}


@pytest.mark.parametrize(
    "kilobytes", [100, *(pytest.param(size, marks=pytest.mark.long) for size in (1000, 4000))]
)
@pytest.mark.parametrize("name", LARGEST_PAYLOADS)
@pytest.mark.parametrize("surrogate", ["", "\ud83d"], ids=["strict", "lenient"])
def test_largest_payloads(intake: Intake, name: str, kilobytes: int, surrogate: str) -> None:  # noqa: F811
    event, field, item = LARGEST_PAYLOADS[name]
    number = kilobytes * 1000 // (len(json.dumps(item)) + 2)
    payload = {"action": "added" + surrogate, "repository": _REPOSITORY, "installation": {"id": 1}}
    post(intake, event, json.dumps({**payload, field: [item] * number}).encode())


LARGEST_MANIFESTS = {
    "objects": json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": [config_map(f"a{i}") for i in range(3000)]}
    ),
    "values": json.dumps(config_map(**{f"a{i}": "b" for i in range(40_000)})),
    "text": json.dumps(config_map(a="b" * 900_000)),
    "YAML": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {" + "a: b, " * 90_000 + "}",
    "list": "[" + "1," * 99_000 + "]",
}


@pytest.mark.long
@pytest.mark.parametrize("name", LARGEST_MANIFESTS)
def test_largest_manifests(runner: asyncio.Runner, name: str) -> None:
    within_limit(runner, lambda: render(LARGEST_MANIFESTS[name].encode()))

"""What holds for the secrets of every provider."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx

from bot.cluster.client.kinds import SECRET
from bot.model.naming import namespace_name
from tests.story.conftest import Scenario
from tests.story.disclosure import assert_never_shown, assert_not_kept
from tests.story.secret_samples import ROLLOUT_SECONDS, digest_of, files, opened
from tests.story.stages import Stages, staged

FOLLOWING = {"GREENROOM_SECRETS_INTERVAL": "3s", "GREENROOM_LOG_LEVEL": "debug"}
"""Settings of the bot in all these stories: no library may show a value at the lowest level of the log."""
KEPT_SECONDS = 11
"""The bot keeps a value for ten seconds."""


async def together(*behaviours: Awaitable[object]) -> None:
    """What holds for several providers at the same time: most of it is waiting."""
    async with asyncio.TaskGroup() as group:
        for behaviour in behaviours:
            group.create_task(_awaited(behaviour))


async def _awaited(behaviour: Awaitable[object]) -> None:
    await behaviour


async def given_and_hidden(scenario: Scenario, reference: str, value: str) -> int:
    """The pods have the value, a check fails with it, and it is shown nowhere."""
    number = await opened(scenario, b"TOKEN: '%s'" % reference.encode(), leaks=True)
    await scenario.comment_with(number, "its checks failed", "`leak`")
    assert (await scenario.page(number)).text == digest_of(value)
    await hidden(scenario, number, value)
    return number


async def hidden(scenario: Scenario, number: int, *values: str) -> None:
    """The check `leak` printed the first value, and none is shown anywhere."""
    [shown] = scenario.github.checks.runs(scenario.repository, name="greenroom/leak")
    assert "refused: [hidden]" in str(shown.output.text)
    await assert_never_shown(scenario, number, *values)


async def stops_before_anything_is_applied(scenario: Scenario, **references: str) -> None:
    """All of these are not granted or missing: the comment names them."""
    entries = ", ".join(f"{name}: '{reference}'" for name, reference in references.items())
    number = await opened(scenario, entries.encode())
    named = ", ".join(f"`{name}`" for name in sorted(references))
    await scenario.comment_with(number, f"secrets {named} are unavailable")
    assert await scenario.namespaces() == []


@dataclass(frozen=True)
class Outage:
    """A provider that stops and returns; both get the namespaces of the previews."""

    stop: Callable[[Sequence[str]], None]
    start: Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Affected:
    """A repository with a secret of a provider that stops."""

    scenario: Scenario
    reference: str
    reason: str
    """What the comment shows meanwhile."""


async def outage_delays_what_is_new(outage: Outage, value: str, *affected: Affected) -> None:
    """A push during the outage waits with the reason, what runs keeps running, and the return ends it."""
    numbers = [await opened(shop.scenario, b"TOKEN: '%s'" % shop.reference.encode()) for shop in affected]
    shops = [(shop.scenario, number) for shop, number in zip(affected, numbers, strict=True)]
    for scenario, number in shops:
        await scenario.wait_until_ready(number)
    namespaces = [scenario.namespace(number) for scenario, number in shops]
    await asyncio.to_thread(outage.stop, namespaces)
    try:
        await asyncio.sleep(KEPT_SECONDS)
        for scenario, _ in shops:
            await scenario.push("spring", {"sentence.txt": b"Summer."})
        for shop, number in zip(affected, numbers, strict=True):
            await shop.scenario.comment_with(number, shop.scenario.head(number)[:7], shop.reason)
            assert (await shop.scenario.page(number)).text == digest_of(value)
    finally:
        await asyncio.to_thread(outage.start, namespaces)
    for scenario, number in shops:
        await scenario.wait_until_ready(number)
        assert (await scenario.page(number)).text == digest_of(value)
        await assert_not_kept(scenario, value)


async def fork_gets_nothing(scenario: Scenario, *references: str) -> int:
    """A maintainer starts the preview of a fork, which runs without the secrets."""
    names = [f"TOKEN{number or ''}: '{reference}'" for number, reference in enumerate(references)]
    await scenario.create(files(scenario, ", ".join(names).encode()))
    number = await scenario.fork({"sentence.txt": b"M"})
    await scenario.comment_with(number, "This pull request has no preview")
    await scenario.world.builder.build(scenario.repository, scenario.head(number), files(scenario, b""))
    await scenario.comment(number, "/preview")
    await scenario.comment_with(number, "A fork gets no secrets", "is ready")
    assert (await scenario.page(number)).text == digest_of("")
    assert await scenario.world.client.find(SECRET, "greenroom-secrets", scenario.namespace(number)) is None
    return number


@dataclass(frozen=True)
class Rotation:
    """A secret that gets a second value."""

    following: str
    """A reference without a version."""
    pinned: str
    """A reference to the first version; "" where the provider has none."""
    values: tuple[str, str]
    rotate: Callable[[str], str]
    """Stores the second value; gets the namespace of the stage, and returns the version."""
    version: str = ""
    """Version of the first value; "" where the provider counts none."""


async def rotated_and_rolled_back(scenario: Scenario, secret: Rotation) -> None:
    """A stage follows the rotation; its rollback restores only the value whose version is pinned."""
    first, second = secret.values
    application = files(scenario, b"")
    await scenario.create(application)
    async with staged(scenario, None) as stages:
        stages.application = application
        pinned = f", PINNED: '{secret.pinned}'" if secret.pinned else ""
        references = f"TOKEN: '{secret.following}'{pinned}"
        await stages.configure(f"\nstages:\n  staging: {{secrets: {{{references}}}}}\n")
        number = await scenario.open("spring", {"sentence.txt": b"One."})
        await promoted(stages, number)
        await stage_serves(stages, first)

        rotated = await asyncio.to_thread(secret.rotate, _namespace(stages))
        await stage_serves(stages, second)
        await scenario.push("spring", {"sentence.txt": b"Two."})
        await promoted(stages, number)
        await stage_serves(stages, second)

        await stages.comment(number, "/rollback staging")
        await stages.comment_with(number, "↩️ ada rolled **staging** back", "`TOKEN` has its current value")
        await stage_serves(stages, second)
        kept = {"PINNED": secret.version} if secret.pinned else {}
        if secret.pinned:
            assert await injected(scenario, _namespace(stages), "PINNED") == first
        _, text = await stages.greenroom("stage", "show", scenario.repository, "staging", "--json")
        ran_with = [promotion["secrets"] for promotion in json.loads(text)["promotions"]]
        assert ran_with == [{"TOKEN": version, **kept} for version in (rotated, rotated, secret.version)]
        _, timeline = await stages.greenroom("why", str(stages.key("staging")))
        assert "changed. Pods are replaced" in " ".join(timeline.split())
        assert not any(value in text + timeline for value in secret.values)
        await assert_not_kept(scenario, *secret.values)


async def stage_serves(stages: Stages, value: str, stage: str = "staging") -> None:
    """Waits until the pods of the stage have the value."""
    deadline, page = time.monotonic() + ROLLOUT_SECONDS, ""
    while page != digest_of(value):
        assert time.monotonic() < deadline, f"the pods have another value: {page}"
        await asyncio.sleep(0.5)
        with contextlib.suppress(httpx.TransportError):  # pods are being replaced
            page = (await stages.page(stage)).text


async def promoted(stages: Stages, number: int) -> None:
    """Waits for the preview, and promotes its release to staging."""
    await stages.scenario.wait_until_ready(number)
    await stages.comment(number, "/promote staging")
    await stages.verified("staging", stages.scenario.head(number))


async def injected(scenario: Scenario, namespace: str, name: str) -> str:
    """The value that the bot wrote for this variable."""
    secret = await scenario.world.client.get(SECRET, "greenroom-secrets", namespace)
    return base64.b64decode(secret["data"][name]).decode()


def _namespace(stages: Stages) -> str:
    return namespace_name(stages.key("staging"), stages.repository)

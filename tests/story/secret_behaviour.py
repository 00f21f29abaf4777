"""What holds for the secrets of every provider."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from bot.cluster.client.kinds import SECRET
from bot.model.naming import namespace_name
from tests.story.conftest import Scenario
from tests.story.disclosure import assert_never_shown, on_github
from tests.story.secret_samples import ROLLOUT_SECONDS, digest_of, files, opened
from tests.story.stages import Stages, staged


async def given_and_hidden(scenario: Scenario, reference: str, value: str) -> int:
    """The pods have the value, a check fails with it, and it is shown nowhere."""
    number = await opened(scenario, b"TOKEN: '%s'" % reference.encode(), leaks=True)
    await scenario.comment_with(number, "its checks failed", "`leak`")
    assert (await scenario.page(number)).text == digest_of(value)
    await hidden(scenario, number, value)
    return number


async def hidden(scenario: Scenario, number: int, value: str) -> None:
    """The check `leak` printed the value, and it is shown nowhere."""
    [shown] = scenario.github.checks.runs(scenario.repository, name="greenroom/leak")
    assert "refused: [hidden]" in str(shown.output.text)
    await assert_never_shown(scenario, number, value)


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
    """Of the first value; "" where the provider has none."""


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
        assert (await stages.page("staging")).text == digest_of(second)

        await stages.comment(number, "/rollback staging")
        await stages.comment_with(number, "↩️ ada rolled **staging** back", "`TOKEN` has its current value")
        assert (await stages.page("staging")).text == digest_of(second)
        kept = {"PINNED": secret.version} if secret.pinned else {}
        if secret.pinned:
            assert await _injected(stages, "PINNED") == first
        _, text = await stages.greenroom("stage", "show", scenario.repository, "staging", "--json")
        ran_with = [promotion["secrets"] for promotion in json.loads(text)["promotions"]]
        assert ran_with == [{"TOKEN": version, **kept} for version in (rotated, rotated, secret.version)]
        assert not any(value in shown for value in secret.values for shown in (text, on_github(scenario)))


async def stage_serves(stages: Stages, value: str) -> None:
    """Waits until the pods of staging have the value."""
    deadline = time.monotonic() + ROLLOUT_SECONDS
    while (page := (await stages.page("staging")).text) != digest_of(value):
        assert time.monotonic() < deadline, f"the pods have another value: {page}"
        await asyncio.sleep(0.5)


async def promoted(stages: Stages, number: int) -> None:
    """Waits for the preview, and promotes its release to staging."""
    await stages.scenario.wait_until_ready(number)
    await stages.comment(number, "/promote staging")
    await stages.verified("staging", stages.scenario.head(number))


async def _injected(stages: Stages, name: str) -> str:
    secret = await stages.scenario.world.client.find(SECRET, "greenroom-secrets", _namespace(stages))
    assert secret is not None
    return base64.b64decode(secret["data"][name]).decode()


def _namespace(stages: Stages) -> str:
    return namespace_name(stages.key("staging"), stages.repository)

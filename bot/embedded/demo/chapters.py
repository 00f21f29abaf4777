"""The story in chapters. Each raises DemoFailed when it does not go as told."""

from __future__ import annotations

import asyncio

from bot.embedded.client.resources import NAMESPACES
from bot.embedded.demo.teller import REPOSITORY, DemoFailed, Teller
from bot.embedded.samples.commits import broken_start, failing_smoke
from bot.model.environment import Environment, EnvironmentState


async def preview(teller: Teller) -> int:
    """A pull request gets its shop, and another one with the next commit; what reviewers left stays."""
    teller.chapter("A pull request gets its own shop")
    number = await teller.open("spring", teller.files("spring"), "Spring in the shop")
    first = await teller.watch(number, EnvironmentState.READY)
    before = await teller.visit(first)
    await teller.write(first, "The basil is too cheap.")
    teller.say("[b]ada[/b] pushes a second commit: other products, another accent colour")
    await teller.push("spring", teller.files("autumn"))
    second = await teller.watch(
        number, EnvironmentState.READY, lambda now: now.status.commit != first.status.commit
    )
    after = await teller.visit(second)
    if before == after or first.status.images == second.status.images:
        raise DemoFailed("the second commit shows the same shop as the first")
    if "The basil is too cheap." not in after:
        raise DemoFailed("the push lost what the reviewer wrote")
    for check in second.status.checks:
        teller.say(f"check [b]{check.name}[/b]: {check.state}. {check.summary}")
    await teller.told(number, "is ready")
    return number


async def reseed(teller: Teller, number: int) -> None:
    """`/reseed` resets the data."""
    teller.chapter("/reseed starts over with the data")
    await teller.comment(number, "/reseed", by="grace")
    environment = await teller.watch(number, EnvironmentState.READY, _seeded_anew)
    await teller.told(number, "Resetting the data")
    if "The basil is too cheap." in await teller.visit(environment):
        raise DemoFailed("the note in the guest book is still there")
    teller.say("the guest book is empty again, and the data was seeded once")


def _seeded_anew(environment: Environment) -> bool:
    return environment.attempt.overrides.reseeds > 0


async def promotion(teller: Teller, number: int) -> None:
    """The artifact that reviewers saw goes to production, and a release that fails goes back by itself."""
    teller.chapter("What reviewers saw goes to production")
    await teller.comment(number, "/promote integration", by="mallory")
    await teller.told(number, "`/promote` requires the role")
    await teller.comment(number, "/promote integration", by="ada")
    await teller.comment(number, "/promote security", by="grace")
    await teller.told(number, "passed on **security**")
    await teller.told(number, "is verified on **integration**")
    await teller.comment(number, "/promote staging", by="ada")
    await teller.told(number, "is verified on **staging**")
    await teller.same_digests(number, "staging")
    await teller.comment(number, "/promote production", by="grace")
    await teller.told(number, "is waiting for approval for **production**")
    teller.say("nobody approves what they asked for or wrote, so somebody else has to:")
    await teller.comment(number, "/approve production", by="linus")
    await teller.told(number, "is verified on **production**")


async def failures(teller: Teller) -> None:
    """A commit that crashes is told with its cause; one that fails on a stage is taken back there."""
    teller.chapter("A failure says why")
    crash = await teller.open("checkout", broken_start(teller.files("spring")), "Pay at the checkout")
    hidden = await teller.open("hidden", failing_smoke(teller.files("spring")), "Hide the first product")
    await teller.told(crash, "failed")
    await teller.close(crash)
    teller.chapter("What fails on a stage goes back by itself")
    await teller.watch(hidden, EnvironmentState.READY)
    await teller.comment(hidden, "/promote integration", by="ada")
    await teller.told(hidden, "Rolled **integration** back")
    await teller.close(hidden)


async def fork(teller: Teller) -> None:
    """A fork's commit runs only after somebody with rights allowed it."""
    teller.chapter("A fork waits for a maintainer")

    def push_to_fork() -> None:
        teller.github.repositories.fork(REPOSITORY, by="mallory")
        files = teller.files("night")
        teller.github.repositories.push("mallory/shop", "night", files, by="mallory")

    teller.say("[b]mallory[/b] opens a pull request from a fork")
    await asyncio.to_thread(push_to_fork)
    number = await teller.propose("mallory:night", "The night market", by="mallory")
    await teller.told(number, "This pull request has no preview")
    await teller.comment(number, "/preview", by="grace")
    await teller.visit(await teller.watch(number, EnvironmentState.READY))
    await teller.close(number)


async def end(teller: Teller, number: int) -> None:
    """Closing takes everything away."""
    teller.chapter("Closing takes everything away")
    await teller.close(number)
    environment = await teller.watch(number, EnvironmentState.GONE)
    if await teller.world.client.find(NAMESPACES, environment.namespace) is not None:
        raise DemoFailed(f"the namespace {environment.namespace} is still there")
    teller.say(f"the namespace [b]{environment.namespace}[/b] is gone, and the comment says so:")
    await teller.told(number, "was deleted")

"""The steps of the demo. Each raises DemoFailed when a state differs from the expected one."""

import asyncio

from bot.cluster.client.kinds import NAMESPACE
from bot.embedded.demo.presenter import REPOSITORY, DemoFailed, Presenter
from bot.embedded.samples import broken_start, failing_smoke
from bot.model.environment import Environment, EnvironmentState
from bot.model.promotion import PromotionState

GUEST_NOTE = "The basil is too cheap."


async def preview(presenter: Presenter) -> int:
    """A pull request gets a preview; a push updates it and keeps its data."""
    presenter.section("A pull request gets its own shop")
    number = await presenter.open("spring", presenter.files("spring"), "Spring in the shop")
    first = await presenter.wait_for_preview(number, EnvironmentState.READY)
    before = await presenter.visit(first)
    await presenter.write(first, GUEST_NOTE)
    presenter.note("[b]ada[/b] pushes a second commit: other products, another accent colour")
    await presenter.push("spring", presenter.files("autumn"))
    second = await presenter.wait_for_preview(
        number, EnvironmentState.READY, lambda current: current.status.commit != first.status.commit
    )
    after = await presenter.visit(second)
    if before == after or first.status.images == second.status.images:
        raise DemoFailed("The second commit shows the same shop as the first.")
    if GUEST_NOTE not in after:
        raise DemoFailed("The push lost the reviewer's note.")
    for check in second.status.checks:
        presenter.note(f"check [b]{check.name}[/b]: {check.state}. {check.summary}")
    await presenter.show_preview_comment(second)
    return number


async def reseed(presenter: Presenter, number: int) -> None:
    """`/reseed` resets the data."""
    presenter.section("/reseed resets the data")
    command = await presenter.comment(number, "/reseed", by="grace")
    environment = await presenter.wait_for_preview(number, EnvironmentState.READY, _is_reseeded)
    await presenter.show_reply(number, command)
    if GUEST_NOTE in await presenter.visit(environment):
        raise DemoFailed("The note is still in the guest book.")
    presenter.note("the guest book is empty again, and the data was seeded once")


def _is_reseeded(environment: Environment) -> bool:
    return environment.attempt.overrides.reseeds > 0


async def promotion(presenter: Presenter, number: int) -> None:
    """The artifact that reviewers saw is promoted through all stages to production."""
    presenter.section("What reviewers saw goes to production")
    command = await presenter.comment(number, "/promote integration", by="mallory")
    await presenter.show_reply(number, command)
    await presenter.comment(number, "/promote integration", by="ada")
    await presenter.comment(number, "/promote security", by="grace")
    for stage in ("security", "integration"):
        await _show_success(presenter, number, stage)
    await presenter.comment(number, "/promote staging", by="ada")
    await _show_success(presenter, number, "staging")
    await presenter.compare_digests(number, "staging")
    await presenter.comment(number, "/promote production", by="grace")
    waiting = await presenter.wait_for_promotion(number, "production", PromotionState.AWAITING_APPROVAL)
    await presenter.show_promotion_comment(waiting)
    presenter.note("neither the requester nor the author may approve, so a third person does:")
    assert waiting.release is not None, "it awaits approval of its release"
    await asyncio.sleep(1)  # GitHub's clock has whole seconds: an approval is younger than what it approves
    await presenter.comment(number, f"/approve production {waiting.release.id}", by="linus")
    await _show_success(presenter, number, "production")


async def _show_success(presenter: Presenter, number: int, stage: str) -> None:
    succeeded = await presenter.wait_for_promotion(number, stage, PromotionState.SUCCEEDED)
    await presenter.show_promotion_comment(succeeded)


async def failures(presenter: Presenter) -> None:
    """A commit that crashes, and one whose check fails, are reported with the reason."""
    presenter.section("A failure is reported with its reason")
    crash = await presenter.open("checkout", broken_start(presenter.files("spring")), "Pay at the checkout")
    hidden = await presenter.open(
        "hidden", failing_smoke(presenter.files("spring")), "Hide the first product"
    )
    failed = await presenter.wait_for_preview(crash, EnvironmentState.FAILED)
    await presenter.show_preview_comment(failed)
    await presenter.close(crash)
    await presenter.show_preview_comment(
        await presenter.wait_for_preview(hidden, EnvironmentState.CHECKS_FAILED)
    )
    await presenter.close(hidden)


async def fork(presenter: Presenter) -> None:
    """A fork's commit runs only after a maintainer has allowed it."""
    presenter.section("A fork needs permission from a maintainer")

    def push_to_fork() -> None:
        presenter.github.repositories.fork(REPOSITORY, by="mallory")
        files = presenter.files("night")
        presenter.github.repositories.push("mallory/shop", "night", files, by="mallory")

    presenter.note("[b]mallory[/b] opens a pull request from a fork")
    await asyncio.to_thread(push_to_fork)
    number = await presenter.create_pull_request("mallory:night", "The night market", by="mallory")
    await presenter.show_preview_comment(await presenter.wait_for_preview(number, EnvironmentState.REFUSED))
    await presenter.comment(number, "/preview", by="grace")
    await presenter.visit(await presenter.wait_for_preview(number, EnvironmentState.READY))
    await presenter.close(number)


async def end(presenter: Presenter, number: int) -> None:
    """Closing the pull request deletes the preview."""
    presenter.section("Closing deletes the preview")
    await presenter.close(number)
    environment = await presenter.wait_for_preview(number, EnvironmentState.GONE)
    if await presenter.world.client.find(NAMESPACE, environment.namespace) is not None:
        raise DemoFailed(f"The namespace {environment.namespace} still exists.")
    presenter.note(f"the namespace [b]{environment.namespace}[/b] is deleted:")
    await presenter.show_preview_comment(environment)

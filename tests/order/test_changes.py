"""What changes besides the head: the configuration, labels, draft, the base branch."""

from __future__ import annotations

from bot.model.environment import EndReason, EnvironmentState
from tests.order.peers import CONFIGURATION
from tests.order.stage import Stage

GREEN = CONFIGURATION.replace("blue", "green")
DRAFTS = CONFIGURATION + "  skip: {drafts: true}\n"
LABELS = CONFIGURATION + "  skip: {labels: [wip]}\n"
PATHS = CONFIGURATION + "  skip: {paths_only: [docs/**]}\n"


async def happen(stage: Stage, action: str, **to: object) -> None:
    await stage.deliver(stage.edits(action, **to))
    await stage.settle()


async def ready(stage: Stage, configuration: str = CONFIGURATION) -> None:
    stage.github.configuration = configuration
    await stage.deliver(stage.opens())
    await stage.settle()
    await stage.is_exactly_right()


async def is_skipped(stage: Stage, rule: str) -> None:
    environment = await stage.environment()
    assert environment is not None
    assert (environment.status.state, environment.status.end) == (EnvironmentState.REFUSED, EndReason.SKIPPED)
    assert stage.cluster.namespaces == {}
    assert stage.github.said is not None
    assert rule in stage.github.said.cause


def colour(stage: Stage) -> str:
    [place] = stage.cluster.namespaces.values()
    return str(place.objects["Deployment"]["config"]["COLOUR"])


async def test_a_healthy_preview_follows_the_configuration_on_the_default_branch(stage: Stage) -> None:
    await ready(stage)
    before = stage.github.said
    assert colour(stage) == "blue"
    await stage.deliver(stage.configures(GREEN))
    await stage.settle()
    await stage.is_exactly_right()
    assert colour(stage) == "green"
    assert stage.github.said == before, "the same commit is ready at the same address"
    environment = await stage.environment()
    assert environment is not None
    assert environment.attempt.release is not None
    assert environment.status.release_id == environment.attempt.release.id


async def test_a_check_that_the_configuration_adds_is_run(stage: Stage) -> None:
    await ready(stage)
    await stage.deliver(stage.configures(CONFIGURATION.replace("[{", "[{http: /shelf}, {")))
    await stage.settle()
    assert stage.github.said is not None
    assert stage.github.said.checks == ("http-shelf: passed", "http-healthz: passed")


async def test_a_configuration_that_breaks_is_told_and_mended(stage: Stage) -> None:
    await ready(stage)
    await stage.deliver(stage.configures("version: 1\ncolour: blue\n"))
    await stage.work(1)
    assert stage.github.said is not None
    assert stage.github.said.state is EnvironmentState.FAILED
    await stage.deliver(stage.configures(CONFIGURATION))
    await stage.settle()
    await stage.is_exactly_right()


async def test_the_newest_configuration_wins_while_the_preview_is_brought_up(stage: Stage) -> None:
    await stage.deliver(stage.opens())
    await stage.work(1)
    await stage.deliver(stage.configures(GREEN))
    await stage.settle()
    await stage.is_exactly_right()
    assert colour(stage) == "green"


async def test_a_push_to_the_default_branch_that_leaves_the_file_alone_changes_nothing(stage: Stage) -> None:
    await ready(stage)
    before = await stage.environment()
    await stage.deliver(stage.configures(CONFIGURATION))
    await stage.settle()
    after = await stage.environment()
    assert before is not None
    assert after is not None
    assert after.status == before.status


async def test_a_draft_waits_until_it_is_ready_for_review(stage: Stage) -> None:
    await ready(stage, DRAFTS)
    await happen(stage, "converted_to_draft", draft=True)
    await is_skipped(stage, "preview.skip.drafts")
    await happen(stage, "ready_for_review", draft=False)
    await stage.is_exactly_right()


async def test_a_label_takes_the_preview_away_and_its_removal_brings_it_back(stage: Stage) -> None:
    await ready(stage, LABELS)
    await happen(stage, "labeled", labels=("bug",))
    await stage.is_exactly_right()
    await happen(stage, "labeled", labels=("bug", "wip"))
    await is_skipped(stage, "preview.skip.labels")
    await happen(stage, "unlabeled", labels=("bug",))
    await stage.is_exactly_right()


async def test_another_base_branch_may_change_which_paths_count(stage: Stage) -> None:
    stage.github.paths = {"release": ("docs/a.md",)}
    await ready(stage, PATHS)
    await happen(stage, "edited", base_ref="release")
    await is_skipped(stage, "preview.skip.paths_only")
    await happen(stage, "edited", base_ref="main")
    await stage.is_exactly_right()


async def test_a_rule_that_the_configuration_drops_lets_the_preview_come(stage: Stage) -> None:
    stage.github.configuration = DRAFTS
    await stage.deliver(stage.opens())
    await stage.settle()
    await happen(stage, "converted_to_draft", draft=True)
    await is_skipped(stage, "preview.skip.drafts")
    await stage.deliver(stage.configures(CONFIGURATION))
    await stage.settle()
    await stage.is_exactly_right()


async def test_closed_and_reopened_again_and_again(stage: Stage) -> None:
    await ready(stage)
    for _ in range(3):
        await stage.deliver(stage.closes())
        await stage.settle()
        await stage.is_exactly_right()
        await stage.deliver(stage.reopens())
        await stage.settle()
        await stage.is_exactly_right()


async def test_what_nobody_told_is_found_by_the_sweep(stage: Stage) -> None:
    """Each of the deliveries is lost."""
    await ready(stage, LABELS)
    stage.configures(GREEN)
    await swept(stage)
    await stage.is_exactly_right()
    assert colour(stage) == "green"
    stage.configures(LABELS)
    await swept(stage)
    stage.edits("labeled", labels=("wip",))
    await swept(stage)
    await is_skipped(stage, "preview.skip.labels")
    stage.configures(DRAFTS)
    await swept(stage)
    await stage.is_exactly_right()
    stage.edits("converted_to_draft", draft=True)
    await swept(stage)
    await is_skipped(stage, "preview.skip.drafts")


async def swept(stage: Stage) -> None:
    await stage.sweep()
    await stage.settle()

"""What changes besides the head: the configuration, labels, draft, the base branch."""

from __future__ import annotations

from bot.model.environment import EndReason, EnvironmentState
from tests.order.fakes import CONFIGURATION
from tests.order.simulation import Simulation

GREEN = CONFIGURATION.replace("blue", "green")
DRAFTS = CONFIGURATION + "  skip: {drafts: true}\n"
LABELS = CONFIGURATION + "  skip: {labels: [wip]}\n"
PATHS = CONFIGURATION + "  skip: {paths_only: [docs/**]}\n"


async def happen(simulation: Simulation, action: str, **to: object) -> None:
    await simulation.deliver(simulation.edit(action, **to))
    await simulation.settle()


async def ready(simulation: Simulation, configuration: str = CONFIGURATION) -> None:
    simulation.github.configuration = configuration
    await simulation.deliver(simulation.open())
    await simulation.settle()
    await simulation.is_exactly_right()


async def is_skipped(simulation: Simulation, rule: str) -> None:
    environment = await simulation.environment()
    assert environment is not None
    assert (environment.status.state, environment.status.end) == (EnvironmentState.REFUSED, EndReason.SKIPPED)
    assert simulation.cluster.namespaces == {}
    assert simulation.github.reported is not None
    assert rule in simulation.github.reported.cause


def colour(simulation: Simulation) -> str:
    [place] = simulation.cluster.namespaces.values()
    return str(place.objects["Deployment"]["config"]["COLOUR"])


async def test_a_healthy_preview_follows_the_configuration_on_the_default_branch(
    simulation: Simulation,
) -> None:
    await ready(simulation)
    before = simulation.github.reported
    assert colour(simulation) == "blue"
    await simulation.deliver(simulation.configure(GREEN))
    await simulation.settle()
    await simulation.is_exactly_right()
    assert colour(simulation) == "green"
    assert simulation.github.reported == before, "the same commit is ready at the same address"
    environment = await simulation.environment()
    assert environment is not None
    assert environment.attempt.release is not None
    assert environment.status.release_id == environment.attempt.release.id


async def test_a_check_that_the_configuration_adds_is_run(simulation: Simulation) -> None:
    await ready(simulation)
    await simulation.deliver(simulation.configure(CONFIGURATION.replace("[{", "[{http: /shelf}, {")))
    await simulation.settle()
    assert simulation.github.reported is not None
    assert simulation.github.reported.checks == ("http-shelf: passed", "http-healthz: passed")


async def test_a_configuration_that_breaks_is_told_and_mended(simulation: Simulation) -> None:
    await ready(simulation)
    await simulation.deliver(simulation.configure("version: 1\ncolour: blue\n"))
    await simulation.work(1)
    assert simulation.github.reported is not None
    assert simulation.github.reported.state is EnvironmentState.FAILED
    await simulation.deliver(simulation.configure(CONFIGURATION))
    await simulation.settle()
    await simulation.is_exactly_right()


async def test_the_newest_configuration_wins_while_the_preview_is_brought_up(simulation: Simulation) -> None:
    await simulation.deliver(simulation.open())
    await simulation.work(1)
    await simulation.deliver(simulation.configure(GREEN))
    await simulation.settle()
    await simulation.is_exactly_right()
    assert colour(simulation) == "green"


async def test_a_push_to_the_default_branch_that_leaves_the_file_alone_changes_nothing(
    simulation: Simulation,
) -> None:
    await ready(simulation)
    before = await simulation.environment()
    await simulation.deliver(simulation.configure(CONFIGURATION))
    await simulation.settle()
    after = await simulation.environment()
    assert before is not None
    assert after is not None
    assert after.status == before.status


async def test_a_draft_waits_until_it_is_ready_for_review(simulation: Simulation) -> None:
    await ready(simulation, DRAFTS)
    await happen(simulation, "converted_to_draft", draft=True)
    await is_skipped(simulation, "preview.skip.drafts")
    await happen(simulation, "ready_for_review", draft=False)
    await simulation.is_exactly_right()


async def test_a_label_takes_the_preview_away_and_its_removal_brings_it_back(simulation: Simulation) -> None:
    await ready(simulation, LABELS)
    await happen(simulation, "labeled", labels=("bug",))
    await simulation.is_exactly_right()
    await happen(simulation, "labeled", labels=("bug", "wip"))
    await is_skipped(simulation, "preview.skip.labels")
    await happen(simulation, "unlabeled", labels=("bug",))
    await simulation.is_exactly_right()


async def test_another_base_branch_may_change_which_paths_count(simulation: Simulation) -> None:
    simulation.github.paths = {"release": ("docs/a.md",)}
    await ready(simulation, PATHS)
    await happen(simulation, "edited", base_ref="release")
    await is_skipped(simulation, "preview.skip.paths_only")
    await happen(simulation, "edited", base_ref="main")
    await simulation.is_exactly_right()


async def test_a_rule_that_the_configuration_drops_lets_the_preview_come(simulation: Simulation) -> None:
    simulation.github.configuration = DRAFTS
    await simulation.deliver(simulation.open())
    await simulation.settle()
    await happen(simulation, "converted_to_draft", draft=True)
    await is_skipped(simulation, "preview.skip.drafts")
    await simulation.deliver(simulation.configure(CONFIGURATION))
    await simulation.settle()
    await simulation.is_exactly_right()


async def test_closed_and_reopened_again_and_again(simulation: Simulation) -> None:
    await ready(simulation)
    for _ in range(3):
        await simulation.deliver(simulation.close())
        await simulation.settle()
        await simulation.is_exactly_right()
        await simulation.deliver(simulation.reopen())
        await simulation.settle()
        await simulation.is_exactly_right()


async def test_what_nobody_told_is_found_by_the_sweep(simulation: Simulation) -> None:
    """Each of the deliveries is lost."""
    await ready(simulation, LABELS)
    simulation.configure(GREEN)
    await swept(simulation)
    await simulation.is_exactly_right()
    assert colour(simulation) == "green"
    simulation.configure(LABELS)
    await swept(simulation)
    simulation.edit("labeled", labels=("wip",))
    await swept(simulation)
    await is_skipped(simulation, "preview.skip.labels")
    simulation.configure(DRAFTS)
    await swept(simulation)
    await simulation.is_exactly_right()
    simulation.edit("converted_to_draft", draft=True)
    await swept(simulation)
    await is_skipped(simulation, "preview.skip.drafts")


async def swept(simulation: Simulation) -> None:
    await simulation.sweep()
    await simulation.settle()

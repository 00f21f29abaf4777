"""Changes of the configuration, the labels, the draft state and the base branch."""

from __future__ import annotations

from bot.model.environment import EndReason, EnvironmentState
from tests.order.fakes import CONFIGURATION
from tests.order.simulation import Simulation

GREEN = CONFIGURATION.replace("blue", "green")
DRAFTS = CONFIGURATION + "  skip: {drafts: true}\n"
LABELS = CONFIGURATION + "  skip: {labels: [wip]}\n"
PATHS = CONFIGURATION + "  skip: {paths_only: [docs/**]}\n"


async def edit(simulation: Simulation, action: str, **to: object) -> None:
    await simulation.deliver(simulation.edit(action, **to))
    await simulation.settle()


async def ready(simulation: Simulation, configuration: str = CONFIGURATION) -> None:
    simulation.github.configuration = configuration
    await simulation.deliver(simulation.open())
    await simulation.settle()
    await simulation.assert_converged()


async def assert_skipped(simulation: Simulation, rule: str) -> None:
    environment = await simulation.environment()
    assert environment is not None
    assert (environment.status.state, environment.status.end) == (EnvironmentState.REFUSED, EndReason.SKIPPED)
    assert simulation.cluster.namespaces == {}
    assert simulation.github.reported is not None
    assert rule in simulation.github.reported.cause


def colour(simulation: Simulation) -> str:
    [namespace] = simulation.cluster.namespaces.values()
    return str(namespace.objects["Deployment"]["config"]["COLOUR"])


async def test_ready_preview_follows_the_default_branch_configuration(
    simulation: Simulation,
) -> None:
    await ready(simulation)
    before = simulation.github.reported
    assert colour(simulation) == "blue"
    await simulation.deliver(simulation.configure(GREEN))
    await simulation.settle()
    await simulation.assert_converged()
    assert colour(simulation) == "green"
    assert simulation.github.reported == before, "the same commit is ready at the same address"
    environment = await simulation.environment()
    assert environment is not None
    assert environment.attempt.release is not None
    assert environment.status.release_id == environment.attempt.release.id


async def test_added_check_runs(simulation: Simulation) -> None:
    await ready(simulation)
    await simulation.deliver(simulation.configure(CONFIGURATION.replace("[{", "[{http: /shelf}, {")))
    await simulation.settle()
    assert simulation.github.reported is not None
    assert simulation.github.reported.checks == ("http-shelf: passed", "http-healthz: passed")


async def test_invalid_configuration_is_reported_and_recovers(simulation: Simulation) -> None:
    await ready(simulation)
    await simulation.deliver(simulation.configure("version: 1\ncolour: blue\n"))
    await simulation.work(1)
    assert simulation.github.reported is not None
    assert simulation.github.reported.state is EnvironmentState.FAILED
    await simulation.deliver(simulation.configure(CONFIGURATION))
    await simulation.settle()
    await simulation.assert_converged()


async def test_newest_configuration_wins_during_a_deployment(simulation: Simulation) -> None:
    await simulation.deliver(simulation.open())
    await simulation.work(1)
    await simulation.deliver(simulation.configure(GREEN))
    await simulation.settle()
    await simulation.assert_converged()
    assert colour(simulation) == "green"


async def test_push_without_a_configuration_change_has_no_effect(
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


async def test_draft_is_skipped_until_ready_for_review(simulation: Simulation) -> None:
    await ready(simulation, DRAFTS)
    await edit(simulation, "converted_to_draft", draft=True)
    await assert_skipped(simulation, "preview.skip.drafts")
    await edit(simulation, "ready_for_review", draft=False)
    await simulation.assert_converged()


async def test_skip_label_removes_the_preview_until_unlabeled(simulation: Simulation) -> None:
    await ready(simulation, LABELS)
    await edit(simulation, "labeled", labels=("bug",))
    await simulation.assert_converged()
    await edit(simulation, "labeled", labels=("bug", "wip"))
    await assert_skipped(simulation, "preview.skip.labels")
    await edit(simulation, "unlabeled", labels=("bug",))
    await simulation.assert_converged()


async def test_base_branch_changes_which_paths_are_compared(simulation: Simulation) -> None:
    simulation.github.paths = {"release": ("docs/a.md",)}
    await ready(simulation, PATHS)
    await edit(simulation, "edited", base_ref="release")
    await assert_skipped(simulation, "preview.skip.paths_only")
    await edit(simulation, "edited", base_ref="main")
    await simulation.assert_converged()


async def test_removed_skip_rule_restores_the_preview(simulation: Simulation) -> None:
    simulation.github.configuration = DRAFTS
    await simulation.deliver(simulation.open())
    await simulation.settle()
    await edit(simulation, "converted_to_draft", draft=True)
    await assert_skipped(simulation, "preview.skip.drafts")
    await simulation.deliver(simulation.configure(CONFIGURATION))
    await simulation.settle()
    await simulation.assert_converged()


async def test_closed_and_reopened_repeatedly(simulation: Simulation) -> None:
    await ready(simulation)
    for _ in range(3):
        await simulation.deliver(simulation.close())
        await simulation.settle()
        await simulation.assert_converged()
        await simulation.deliver(simulation.reopen())
        await simulation.settle()
        await simulation.assert_converged()


async def test_sweep_finds_lost_deliveries(simulation: Simulation) -> None:
    """Every delivery is lost."""
    await ready(simulation, LABELS)
    simulation.configure(GREEN)
    await swept(simulation)
    await simulation.assert_converged()
    assert colour(simulation) == "green"
    simulation.configure(LABELS)
    await swept(simulation)
    simulation.edit("labeled", labels=("wip",))
    await swept(simulation)
    await assert_skipped(simulation, "preview.skip.labels")
    simulation.configure(DRAFTS)
    await swept(simulation)
    await simulation.assert_converged()
    simulation.edit("converted_to_draft", draft=True)
    await swept(simulation)
    await assert_skipped(simulation, "preview.skip.drafts")


async def swept(simulation: Simulation) -> None:
    await simulation.sweep()
    await simulation.settle()

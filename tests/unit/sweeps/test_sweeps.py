"""Pure decisions of the sweeps."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.model.delivery import PullRequestHint
from bot.model.environment import (
    Attempt,
    Environment,
    EnvironmentKey,
    EnvironmentKind,
    EnvironmentState,
    Status,
    UserOverrides,
)
from bot.model.environment_summary import EnvironmentSummary
from bot.model.manifest import OwnedNamespace
from bot.model.naming import namespace_name
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.sweeps.breaker import within_limit
from bot.sweeps.orphans import duplicate_namespaces, without_environment, without_namespace
from bot.sweeps.resync import changed_hints, has_pipeline, reconfigured_hints, unlisted_hints
from tests.unit.environments.test_desired_state import PULL

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHOP = Repository(7, 1, "acme", "shop")


def environment(
    number: int, state: EnvironmentState = EnvironmentState.READY, head: str = "a" * 40
) -> Environment:
    key = EnvironmentKey.preview(SHOP.id, number)
    pull = replace(PULL, number=number, head_sha=head, open=state is not EnvironmentState.GONE)
    return Environment(
        key=key,
        repository=SHOP,
        namespace=namespace_name(key, SHOP),
        generation=1,
        observed_generation=1,
        status=Status(state),
        attempt=Attempt(pull_request=pull),
        overrides=UserOverrides(),
        receipt="",
        created_at=NOW,
        updated_at=NOW,
    )


def summaries(*environments: Environment) -> dict[EnvironmentKey, EnvironmentSummary]:
    return {
        environment.key: EnvironmentSummary(
            environment.key, environment.repository, environment.namespace, environment.status.state
        )
        for environment in environments
    }


def namespace(number: int, terminating: bool = False) -> OwnedNamespace:
    key = EnvironmentKey.preview(SHOP.id, number)
    return OwnedNamespace(namespace_name(key, SHOP), key, SHOP, terminating)


def numbers(hints: list[PullRequestHint]) -> list[int]:
    return [hint.number for hint in hints]


def test_resync_finds_missed_opens_pushes_and_reopens() -> None:
    environments = [environment(1), environment(2, head="b" * 40), environment(3, EnvironmentState.GONE)]
    pulls = [replace(PULL, number=number) for number in (1, 2, 3, 4)]
    assert numbers(changed_hints(SHOP, pulls, environments)) == [2, 3, 4]


def test_resync_finds_missed_labels_drafts_and_bases() -> None:
    environments = [environment(number) for number in (1, 2, 3, 4)]
    changes: dict[int, dict[str, object]] = {
        2: {"labels": ("wip",)},
        3: {"draft": True},
        4: {"base_ref": "x"},
    }
    pulls = [replace(PULL, number=number, **changes.get(number, {})) for number in (1, 2, 3, 4)]  # type: ignore[arg-type]  # fields
    assert numbers(changed_hints(SHOP, pulls, environments)) == [2, 3, 4]


def test_resync_finds_previews_of_an_older_configuration() -> None:
    read = {1: "now", 2: "before", 3: None, 4: "before"}
    environments = [
        replace(preview, attempt=replace(preview.attempt, configuration=text))
        for preview, text in ((environment(number), text) for number, text in read.items())
    ]
    pulls = [replace(PULL, number=number) for number in (1, 2, 3)]
    assert numbers(reconfigured_hints(SHOP, pulls, environments, "now")) == [2]


def test_resync_rereads_unlisted_pull_requests() -> None:
    environments = [environment(1), environment(2), environment(3, EnvironmentState.GONE)]
    (hint,) = unlisted_hints(SHOP, [replace(PULL, number=1)], environments)
    assert (hint.number, hint.open, hint.head_sha) == (2, None, None)


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ("stages: {integration: {automatic: true}}", True),
        ("stages: {integration: {}, staging: {after: [integration], automatic: true}}", False),
        ("demo: {sales: {release: v1}}", True),
        ("demo: {sales: {}}", False),
        ("stages: {", False),
    ],
)
def test_resync_wakes_pipelines_that_follow_the_default_branch(stages: str, expected: bool) -> None:
    text = f"version: 1\nimages: {{shop: ghcr.io/acme/shop}}\nmanifests: {{plain: deploy/}}\n{stages}"
    assert has_pipeline(text) is expected
    assert not has_pipeline(None)


def test_sweeps_ignore_demos() -> None:
    key = EnvironmentKey.demo(SHOP.id, "sales")
    demo = replace(environment(1), key=key, namespace=namespace_name(key, SHOP), attempt=Attempt())
    there = OwnedNamespace(demo.namespace, key, SHOP, False)
    assert unlisted_hints(SHOP, [], [demo]) == []
    assert without_environment([there], {}) == []
    assert without_namespace([], summaries(demo)) == []
    assert duplicate_namespaces([replace(there, name="gr-older")], summaries(demo)) == []


def test_orphans_are_namespaces_without_environment() -> None:
    environments = summaries(environment(1), environment(2, EnvironmentState.GONE))
    result = without_environment([namespace(1), namespace(2), namespace(3), namespace(4, True)], environments)
    assert numbers(result) == [2, 3]


def test_duplicate_namespaces_are_found_for_previews_only() -> None:
    environments = summaries(environment(1), environment(2))
    older = replace(namespace(1), name="gr-older-a-pr-1")
    stage = replace(older, environment=EnvironmentKey(EnvironmentKind.STAGE, SHOP.id, "staging"))
    going = replace(older, terminating=True)
    result = duplicate_namespaces([namespace(1), namespace(2), older, stage, going], environments)
    assert result == [WorkKey.namespace("default", "gr-older-a-pr-1")]
    assert without_environment([namespace(1), older], environments) == []


def test_preview_without_namespace_is_found() -> None:
    environments = summaries(environment(1), environment(2), environment(3, EnvironmentState.PENDING))
    assert numbers(without_namespace([namespace(1)], environments)) == [2]


class BreakerTelemetry:
    def __init__(self) -> None:
        self.sweeps: list[str] = []

    def breaker_tripped(self, sweep: str) -> None:
        self.sweeps.append(sweep)

    def swept(self, sweep: str, enqueued: int) -> None:
        raise AssertionError("the breaker counts nothing as swept")


def test_breaker_passes_all_or_nothing() -> None:
    telemetry = BreakerTelemetry()
    assert within_limit("expiry", [1, 2, 3], 3, telemetry) == [1, 2, 3]
    assert telemetry.sweeps == []
    assert within_limit("expiry", [1, 2, 3, 4], 3, telemetry) == ()
    assert telemetry.sweeps == ["expiry"]


def test_previews_on_a_cluster_that_was_not_listed_count_as_present() -> None:
    environments = {
        key: replace(summary, cluster="west") for key, summary in summaries(environment(1)).items()
    }
    assert without_namespace([], environments, {"default"}) == []
    assert numbers(without_namespace([], environments, {"default", "west"})) == [1]


def test_namespaces_on_another_cluster_are_duplicates() -> None:
    environments = summaries(environment(1))
    elsewhere = replace(namespace(1), cluster="west")
    assert duplicate_namespaces([namespace(1), elsewhere], environments) == [
        WorkKey.namespace("west", elsewhere.name)
    ]

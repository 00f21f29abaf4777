"""`greenroom parity`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.embedded.github import GitHubServer
from bot.model.environment import Decision, EnvironmentKey
from bot.model.release import Target
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.promotions.stage_aggregate import StageAggregate
from bot.store import Store
from tests.unit.cli.runner import Operator
from tests.unit.cluster.manifests import deployment, files, service
from tests.unit.promotions.stage_fixtures import PIPELINE, SHOP, release

OTHER = Repository(9, 2, "umbrella", "shop")
TARGET = Target(release(), PIPELINE, 1)
BEGINNING = """
version: 1
images: {shop: ghcr.io/acme/shop}
manifests: {plain: deploy/}
route: {service: shop, port: 80}
"""
STAGES = """
stages:
  staging: {config: {COLOUR: blue}}
  production: {config: {COLOUR: red}}
"""


@dataclass
class Shop:
    """A repository on an embedded GitHub, and an operator who knows what its stages run."""

    github: GitHubServer
    operator: Operator

    def __post_init__(self) -> None:
        self.github.accounts.create_user("ada")
        self.github.accounts.create_organization("acme", admins=("ada",))
        self.github.repositories.create("acme/shop", self.files(STAGES))
        installation = self.github.apps.install("acme", by="ada")
        id = self.github.world.repository("acme/shop").id
        self.repository = Repository(id, int(installation.id), "acme", "shop")
        self.operator.settings |= {
            "GREENROOM_GITHUB_API_URL": self.github.api_url,
            "GREENROOM_GITHUB_APP_ID": str(self.github.credentials.app_id),
            "GREENROOM_GITHUB_PRIVATE_KEY": self.github.credentials.private_key,
            "COLUMNS": "80",
        }

    def files(self, stages: str, **container: object) -> dict[str, bytes]:
        application = deployment()
        application["spec"]["template"]["spec"]["containers"][0].update(container)
        return {".greenroom.yml": (BEGINNING + stages).encode(), **files(application, service())}

    def push(self, stages: str, **container: object) -> str:
        pushed = self.github.repositories.push("acme/shop", "main", self.files(stages, **container), by="ada")
        return str(pushed)

    def runs(self, stage: str, commit: str, stages: str) -> None:
        deployed = replace(release(), repository_id=self.repository.id, commit=commit)
        asyncio.run(
            set_stage_target(
                self.operator.url, self.repository, stage, Target(deployed, BEGINNING + stages, 1)
            )
        )


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with GitHubServer() as github:
        yield Shop(github, Operator(tmp_path))


def test_equal_stages(shop: Shop) -> None:
    commit = shop.push(STAGES)
    shop.runs("staging", commit, STAGES)
    shop.runs("production", commit, STAGES)
    result = shop.operator("parity", "staging", "production")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "staging and production are equal, except configuration values, secrets, size and host.\n"
    )
    as_json = shop.operator("parity", "staging", "production", "--json")
    assert (as_json.exit_code, json.loads(as_json.stdout)) == (0, [])


def test_age_of_data_is_shown(shop: Shop) -> None:
    commit = shop.push(STAGES)
    shop.runs("staging", commit, STAGES)
    shop.runs("production", commit, STAGES)
    key = EnvironmentKey.stage(shop.repository.id, "staging")
    at = datetime(2026, 11, 29, 14, 5, tzinfo=UTC)

    async def record() -> None:
        store = await Store.open(shop.operator.url)
        await store.queue.enqueue([WorkKey.drift(key)])
        [claim] = [
            claim for claim in await store.queue.claim("test", 9, 60) if claim.key == WorkKey.drift(key)
        ]
        for action, days in (("seeded", 9), ("migrated", 4), ("migrated", 1), ("ready", 0)):
            await store.journal.record(claim, Decision(key, at - timedelta(days=days), action, "because"))
        await store.close()

    asyncio.run(record())
    result = shop.operator("parity", "staging", "production")
    assert (
        "Data of staging: last seed on 20 November 2026, 14:05 UTC, "
        "last migration on 28 November 2026, 14:05 UTC." in result.stdout
    )
    assert "Data of production" not in result.stdout


def test_different_stages_print_a_literal_diff(shop: Shop) -> None:
    hostile = "[bold]x[/bold] \x1b[2J :smile:"
    before, after = shop.push(STAGES), shop.push(STAGES, command=[hostile])
    shop.runs("staging", after, STAGES.replace("{COLOUR: blue}", "{COLOUR: blue, KEY: sesame}"))
    shop.runs("production", before, STAGES)
    result = shop.operator("parity", "staging", "production", FORCE_COLOR="1")
    assert result.exit_code == 1
    assert "\x1b[2J" not in result.stdout
    result = shop.operator("parity", "staging", "production")
    id = replace(release(), repository_id=shop.repository.id, commit=after).id
    assert result.stdout.splitlines()[0] == f"--- staging  release {id} of {after[:7]}"
    assert result.stdout.splitlines()[2:] == [
        "@@ config and secrets @@",
        "-KEY: in config",
        "@@ Deployment/shop @@",
        r'-spec.template.spec.containers[shop].command: ["[bold]x[/bold] \u001b[2J :smile:"]',
        "production differs from staging: 1 missing variable, 1 other field.",
    ]
    assert "sesame" not in result.stdout
    differences = json.loads(shop.operator("parity", "staging", "production", "--json").stdout)
    assert differences[0] == {
        "kind": "",
        "name": "config and secrets",
        "path": "KEY",
        "left": "in config",
        "right": None,
        "category": "missing variable",
    }


def test_stage_without_release_uses_the_current_configuration(shop: Shop) -> None:
    shop.runs("staging", shop.push(STAGES), STAGES)
    result = shop.operator("parity", "staging", "production")
    assert result.exit_code == 0
    assert "production has no release yet; compared with release" in result.stdout
    shop.push(STAGES.replace("{COLOUR: red}", "{}"))
    result = shop.operator("parity", "staging", "production", "--json")
    assert result.exit_code == 1
    assert "production has no release yet" in result.stderr
    assert [difference["path"] for difference in json.loads(result.stdout)] == ["COLOUR"]


def test_rejected_manifest_exits_with_2(shop: Shop) -> None:
    shop.runs("staging", shop.push(STAGES), STAGES)
    shop.runs("production", shop.push(STAGES, securityContext={"privileged": True}), STAGES)
    result = shop.operator("parity", "staging", "production")
    assert result.exit_code == 2
    assert "privileged containers are not allowed" in result.stderr


def test_unknown_stage_lists_the_stages(shop: Shop) -> None:
    shop.runs("staging", shop.push(STAGES), STAGES)
    result = shop.operator("parity", "staging", "producton")
    assert result.exit_code == 2
    assert result.stderr == "There is no stage producton (stages: staging, production).\n"


def test_stages_without_any_release_exit_with_2(shop: Shop) -> None:
    asyncio.run(set_stage_target(shop.operator.url, shop.repository, "staging", None))
    result = shop.operator("parity", "staging", "production")
    assert result.exit_code == 2
    assert result.stderr == ("Nothing runs on staging or production, and no release exists.\n")


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """The shop has a release on staging, and GitHub does not respond."""
    operator = Operator(tmp_path)
    operator.settings |= {"GREENROOM_GITHUB_API_URL": "http://127.0.0.1:1", "COLUMNS": "200"}
    asyncio.run(set_stage_target(operator.url, SHOP, "staging", TARGET))
    return operator


async def set_stage_target(url: str, repository: Repository, stage: str, target: Target | None) -> None:
    """Stores the target of the stage."""
    store = await Store.open(url)
    await store.migrate()

    def set_target(aggregate: StageAggregate) -> StageAggregate:
        return replace(aggregate, stage=replace(aggregate.stage, target=target))

    await store.promotions.change(EnvironmentKey.stage(repository.id, stage), repository, set_target)
    await store.close()


def test_stage_without_release_requires_github(operator: Operator) -> None:
    result = operator("parity", "staging", "producton")
    assert result.exit_code == 2
    assert "GitHub" in result.stderr
    assert "Nothing runs on producton, and .greenroom.yml cannot be used: GitHub" in result.stderr
    assert result.stdout == ""


def test_stages_with_releases_require_github(operator: Operator) -> None:
    asyncio.run(set_stage_target(operator.url, SHOP, "production", TARGET))
    result = operator("parity", "staging", "production", "--json")
    assert result.exit_code == 2
    assert "GitHub" in result.stderr
    assert result.stdout == ""


def test_one_of_several_repositories_must_be_chosen(operator: Operator) -> None:
    asyncio.run(set_stage_target(operator.url, OTHER, "staging", TARGET))
    result = operator("parity", "staging", "production")
    assert result.exit_code == 2
    assert "Choose a repository with --repository: acme/shop, umbrella/shop." in result.stderr
    unknown = operator("parity", "staging", "production", "--repository", "acme/shoe")
    assert unknown.exit_code == 2
    assert "Unknown repository acme/shoe" in unknown.stderr


def test_no_repository_exits_with_2(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    asyncio.run(migrate(operator.url))
    result = operator("parity", "staging", "production")
    assert result.exit_code == 2
    assert result.stderr.strip() == "No repository has an environment or a stage yet."


async def migrate(url: str) -> None:
    store = await Store.open(url)
    await store.migrate()
    await store.close()


def test_previews_with_manifests_of_their_own_differ_from_a_stage(shop: Shop) -> None:
    own = {"preview/more.yaml": b"{apiVersion: v1, kind: ConfigMap, metadata: {name: more}}"}
    stages = STAGES + "preview: {manifests: {plain: preview}, config: {COLOUR: red, KEY: a}}\n"
    files = {**shop.files(stages), **own}
    commit = shop.github.repositories.push("acme/shop", "main", files, by="ada")
    shop.runs("production", str(commit), stages)
    result = shop.operator("parity", "preview", "production")
    assert result.exit_code == 1
    assert "previews have no release yet" in result.stdout
    assert "@@ ConfigMap/more @@\n-the whole object" in result.stdout
    assert "production differs from preview" in result.stdout

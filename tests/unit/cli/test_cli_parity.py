"""`greenroom parity`, as an operator meets it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.embedded.github import GitHubServer
from bot.model.environment import EnvironmentKey
from bot.model.promotion import StageAggregate
from bot.model.release import Target
from bot.model.repository import Repository
from bot.store import Store
from tests.unit.cli.test_cli_environments import Operator
from tests.unit.cluster.manifests import deployment, files, service
from tests.unit.promotions.scenes import PIPELINE, SHOP, release

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
    """One repository on a GitHub, and an operator whose bot knows what its stages run."""

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
        about = replace(release(), repository_id=self.repository.id, commit=commit)
        asyncio.run(run(self.operator.url, self.repository, stage, Target(about, BEGINNING + stages, 1)))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with GitHubServer() as github:
        yield Shop(github, Operator(tmp_path))


def test_two_stages_that_are_alike_are_said_to_be(shop: Shop) -> None:
    commit = shop.push(STAGES)
    shop.runs("staging", commit, STAGES)
    shop.runs("production", commit, STAGES)
    done = shop.operator("parity", "staging", "production")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "staging and production are alike, but for configuration values, secrets, size and host.\n"
    )
    as_json = shop.operator("parity", "staging", "production", "--json")
    assert (as_json.returncode, json.loads(as_json.stdout)) == (0, [])


def test_what_differs_is_a_diff_that_a_terminal_shows_as_text(shop: Shop) -> None:
    hostile = "[bold]x[/bold] \x1b[2J :smile:"
    before, after = shop.push(STAGES), shop.push(STAGES, command=[hostile])
    shop.runs("staging", after, STAGES.replace("{COLOUR: blue}", "{COLOUR: blue, KEY: sesame}"))
    shop.runs("production", before, STAGES)
    done = shop.operator("parity", "staging", "production", FORCE_COLOR="1")
    assert done.returncode == 1
    assert "\x1b[2J" not in done.stdout
    done = shop.operator("parity", "staging", "production")
    id = replace(release(), repository_id=shop.repository.id, commit=after).id
    assert done.stdout.splitlines()[0] == f"--- staging  release {id} of {after[:7]}"
    assert done.stdout.splitlines()[2:] == [
        "@@ config and secrets @@",
        "-KEY: in config",
        "@@ Deployment/shop @@",
        r'-spec.template.spec.containers[shop].command: ["[bold]x[/bold] \u001b[2J :smile:"]',
        "production differs from staging: 1 missing variable, 1 other field.",
    ]
    assert "sesame" not in done.stdout
    found = json.loads(shop.operator("parity", "staging", "production", "--json").stdout)
    assert found[0] == {
        "kind": "",
        "name": "config and secrets",
        "path": "KEY",
        "left": "in config",
        "right": None,
        "category": "missing variable",
    }


def test_a_stage_that_runs_nothing_is_taken_as_it_is_configured_now(shop: Shop) -> None:
    shop.runs("staging", shop.push(STAGES), STAGES)
    done = shop.operator("parity", "staging", "production")
    assert done.returncode == 0
    assert (
        "production runs nothing yet, so it is taken as the default branch configures it now" in done.stdout
    )
    shop.push(STAGES.replace("{COLOUR: red}", "{}"))
    done = shop.operator("parity", "staging", "production", "--json")
    assert done.returncode == 1
    assert "production runs nothing yet" in done.stderr
    assert [each["path"] for each in json.loads(done.stdout)] == ["COLOUR"]


def test_what_cannot_be_rendered_is_told_with_its_place(shop: Shop) -> None:
    shop.runs("staging", shop.push(STAGES), STAGES)
    shop.runs("production", shop.push(STAGES, securityContext={"privileged": True}), STAGES)
    done = shop.operator("parity", "staging", "production")
    assert done.returncode == 2
    assert "privileged containers are not allowed" in done.stderr


def test_a_mistyped_stage_is_told_with_those_that_there_are(shop: Shop) -> None:
    shop.runs("staging", shop.push(STAGES), STAGES)
    done = shop.operator("parity", "staging", "producton")
    assert done.returncode == 2
    assert done.stderr == "There is no stage producton (stages: staging, production).\n"


def test_where_no_stage_runs_anything_there_has_to_be_a_release(shop: Shop) -> None:
    asyncio.run(run(shop.operator.url, shop.repository, "staging", None))
    done = shop.operator("parity", "staging", "production")
    assert done.returncode == 2
    assert done.stderr == (
        "staging and production run nothing yet, and there is no release that could be taken.\n"
    )


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """The shop's staging runs something, and GitHub does not answer."""
    operator = Operator(tmp_path)
    operator.settings |= {"GREENROOM_GITHUB_API_URL": "http://127.0.0.1:1", "COLUMNS": "200"}
    asyncio.run(run(operator.url, SHOP, "staging", TARGET))
    return operator


async def run(url: str, repository: Repository, stage: str, target: Target | None) -> None:
    """The stage has this target from now on."""
    store = await Store.open(url)
    await store.migrate()

    def aimed(aggregate: StageAggregate) -> StageAggregate:
        return replace(aggregate, stage=replace(aggregate.stage, target=target))

    await store.promotions.change(EnvironmentKey.stage(repository.id, stage), repository, aimed)
    await store.close()


def test_a_stage_that_runs_nothing_cannot_be_told_while_github_does_not_answer(operator: Operator) -> None:
    done = operator("parity", "staging", "producton")
    assert done.returncode == 2
    assert "GitHub" in done.stderr
    assert "producton runs nothing yet, and how it is configured cannot be told" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_neither_can_two_that_run_something(operator: Operator) -> None:
    asyncio.run(run(operator.url, SHOP, "production", TARGET))
    done = operator("parity", "staging", "production", "--json")
    assert done.returncode == 2
    assert "GitHub" in done.stderr
    assert done.stdout == ""


def test_of_several_repositories_one_has_to_be_named(operator: Operator) -> None:
    asyncio.run(run(operator.url, OTHER, "staging", TARGET))
    done = operator("parity", "staging", "production")
    assert done.returncode == 2
    assert "with --repository: acme/shop, umbrella/shop." in done.stderr
    unknown = operator("parity", "staging", "production", "--repository", "acme/shoe")
    assert unknown.returncode == 2
    assert "There is no repository acme/shoe" in unknown.stderr


def test_a_bot_that_has_seen_nothing_says_so(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    asyncio.run(migrate(operator.url))
    done = operator("parity", "staging", "production")
    assert done.returncode == 2
    assert done.stderr.strip() == "There is no repository of which the bot has seen a pull request."


async def migrate(url: str) -> None:
    store = await Store.open(url)
    await store.migrate()
    await store.close()

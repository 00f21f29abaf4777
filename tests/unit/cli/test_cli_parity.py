"""`greenroom parity` where it cannot tell; where it can, a story tells of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.model.environment import EnvironmentKey
from bot.model.promotion import Board
from bot.model.release import Target
from bot.model.repository import Repository
from bot.store import Store
from tests.unit.cli.test_cli_environments import Operator
from tests.unit.promotions.scenes import PIPELINE, SHOP, release

OTHER = Repository(9, 2, "umbrella", "shop")


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """The shop's staging runs something, and GitHub does not answer."""
    operator = Operator(tmp_path)
    operator.settings |= {"GREENROOM_GITHUB_API_URL": "http://127.0.0.1:1", "COLUMNS": "200"}
    asyncio.run(run(operator.url, SHOP, "staging"))
    return operator


async def run(url: str, repository: Repository, stage: str) -> None:
    store = await Store.open(url)
    await store.migrate()

    def aimed(board: Board) -> Board:
        return replace(board, stage=replace(board.stage, target=Target(release(), PIPELINE, 1)))

    await store.promotions.change(EnvironmentKey.stage(repository.id, stage), repository, aimed)
    await store.close()


@pytest.mark.parametrize("second", ["production", "producton"])
def test_a_stage_that_runs_nothing_cannot_be_told_while_github_does_not_answer(
    operator: Operator, second: str
) -> None:
    done = operator("parity", "staging", second)
    assert done.returncode == 2
    assert "GitHub" in done.stderr
    assert f"{second} runs nothing yet" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_neither_can_two_that_run_something(operator: Operator) -> None:
    asyncio.run(run(operator.url, SHOP, "production"))
    done = operator("parity", "staging", "production", "--json")
    assert done.returncode == 2
    assert "GitHub" in done.stderr
    assert done.stdout == ""


def test_of_several_repositories_one_has_to_be_named(operator: Operator) -> None:
    asyncio.run(run(operator.url, OTHER, "staging"))
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

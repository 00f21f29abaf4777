"""`--json`: every command that prints data or changes something has it, and prints nothing else to stdout."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from bot.cli.main import app
from bot.model.environment import EnvironmentKey, EnvironmentState
from bot.model.repository import Repository
from bot.model.work import WorkKey
from bot.store import Store
from tests.unit.cli import test_environments, test_stages
from tests.unit.cli.runner import Operator, greenroom
from tests.unit.cli.test_environments import add_preview
from tests.unit.cluster.manifests import deployment, files, service
from tests.unit.promotions.stage_fixtures import SHOP

WITHOUT = {"serve", "demo"}
"""Servers; the embedded servers are the others."""
SEVEN = ("acme/shop#7",)
INTEGRATION = (SHOP.full_name, "integration")


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Knows previews, one of them in deletion, and integration with a lock and a waiting promotion."""
    operator = Operator(tmp_path)
    operator.settings |= {"GREENROOM_GITHUB_API_URL": "http://127.0.0.1:1"}
    asyncio.run(test_environments.fill(operator.url))
    asyncio.run(test_stages.fill(operator.url))
    return operator


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The commands of all groups, with their names."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def test_every_command_has_the_option() -> None:
    without = {
        path
        for path, command in commands(get_command(app))
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert {path for path in without if path[0] != "embedded"} == {(name,) for name in WITHOUT}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("env", "destroy", *SEVEN, "--yes"), {"environment": "preview/7/7", "requested": "destroy"}),
        (("env", "refresh", *SEVEN), {"environment": "preview/7/7", "requested": "refresh"}),
        (("env", "reseed", *SEVEN), {"environment": "preview/7/7", "requested": "reseed"}),
        (("env", "sleep", *SEVEN), {"environment": "preview/7/7", "requested": "sleep"}),
        (("env", "approve-plan", *SEVEN, "0123456789ab"), {"plan": "0123456789ab"}),
        (("stage", "unlock", *INTEGRATION), {"lock": None}),
        (("abort", *INTEGRATION), {"id": "p2", "state": "aborted"}),
        (("reject", *INTEGRATION), {"id": "p2", "state": "rejected"}),
        (("pause", *INTEGRATION), {"id": "p2"}),
        (("migrate",), {"migrated": True}),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_change_is_printed_as_one_object(
    operator: Operator, arguments: tuple[str, ...], expected: dict[str, Any]
) -> None:
    printed = succeeded(operator, *arguments)
    assert {name: printed.get(name) for name in expected} == expected


def test_hold_and_lock_print_the_stage(operator: Operator) -> None:
    succeeded(operator, "stage", "unlock", *INTEGRATION)
    assert succeeded(operator, "stage", "lock", *INTEGRATION, "--hours", "2")["lock"]["until"]
    assert succeeded(operator, "stage", "hold", *INTEGRATION, "--why", "freeze")["hold"]["reason"] == "freeze"
    assert succeeded(operator, "stage", "unhold", *INTEGRATION)["hold"] is None


def test_abandoned_environment_is_named(operator: Operator) -> None:
    asyncio.run(start_deletion(operator.url))
    printed = succeeded(operator, "env", "abandon", "acme/shop#9", "--yes")
    assert printed == {"environment": "preview/7/9", "requested": "abandon"}


async def start_deletion(url: str) -> None:
    store = await Store.open(url)
    await add_preview(store, Repository(7, 1, "acme", "shop"), 9, "A red shop")
    key = EnvironmentKey.preview(7, 9)
    await store.queue.enqueue([WorkKey.environment(key)])
    [claim] = await store.queue.claim("test", 1, 60)
    environment = await store.environments.get(key)
    assert environment is not None
    status = replace(environment.status, state=EnvironmentState.DELETING)
    await store.environments.save(claim, replace(environment, status=status))
    await store.queue.finish(claim)
    await store.close()


def test_store_copy_counts_the_rows(operator: Operator, tmp_path: Path) -> None:
    target = Operator(tmp_path / "target")
    (tmp_path / "target").mkdir()
    assert succeeded(target, "store", "copy", operator.url)["rows"] > 3
    copied = sqlite3.connect(tmp_path / "target" / "greenroom.db")
    assert copied.execute("select count(*) from environments").fetchone() != (0,)


def test_refusal_goes_to_stderr_and_exits_with_1(operator: Operator) -> None:
    refused = operator("env", "wake", *SEVEN, "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "it is not asleep" in refused.stderr


def test_question_goes_to_stderr(operator: Operator) -> None:
    declined = operator("env", "destroy", *SEVEN, "--json")
    assert (declined.exit_code, declined.stdout.strip()) == (1, "")
    assert "Delete acme/shop#7?" in declined.stderr


def test_rights_are_one_list() -> None:
    printed = json.loads(greenroom("rights", "--json", GREENROOM_SECRETS_NAMESPACES="vault").stdout)
    assert [item["kind"] for item in printed["items"]] == ["ClusterRole", "RoleBinding"]


def test_init_names_the_file_and_what_is_undecided(tmp_path: Path) -> None:
    for name, content in files(deployment(), service(), path="deploy/all.yaml").items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    result = greenroom("init", str(tmp_path), "--yes", "--json")
    printed = json.loads(result.stdout)
    assert (result.exit_code, printed["problems"]) == (0, [])
    assert Path(printed["file"]).read_text().count("# ") == len(printed["undecided"])


def test_version_is_an_object() -> None:
    assert json.loads(greenroom("version", "--json").stdout).keys() == {"version"}


def succeeded(operator: Operator, *arguments: str) -> Any:
    """What the command printed."""
    result = operator(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_arguments_are_named_in_capitals() -> None:
    for path, command in commands(get_command(app)):
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                assert parameter.metavar, path
                assert parameter.metavar.isupper(), path

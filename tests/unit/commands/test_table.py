"""Roles that each command requires, in the code and in its documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.commands.table import COMMANDS, Verb, allowed
from bot.model.role import Role

DOCUMENT = Path(__file__).parents[3] / "docs" / "commands.md"


def _documented() -> list[list[str]]:
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_documentation_equals_the_table() -> None:
    header, *rows = _documented()
    assert header == ["command", "what it does", *Role, "bot", "fork author"]
    assert rows == [
        [
            f"`{entry.usage}`",
            entry.does,
            *("yes" if role in entry.roles else "no" for role in Role),
            "no",
            "yes" if entry.fork_author else "no",
        ]
        for entry in COMMANDS.values()
    ]


@pytest.mark.parametrize("verb", Verb)
def test_higher_roles_include_lower_ones(verb: Verb) -> None:
    by_role = [allowed(verb, role, fork_author=False) for role in Role]
    assert by_role == sorted(by_role)
    assert by_role[-1]
    assert not by_role[0]


def test_fork_author_can_delete_but_not_run() -> None:
    given = {verb for verb in Verb if allowed(verb, Role.NONE, fork_author=True)}
    assert given == {Verb.SLEEP, Verb.WAKE, Verb.DESTROY, Verb.STATUS, Verb.WHY, Verb.HELP}

"""The `greenroom` command itself: help, version and usage errors."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from tests.unit.cli.process import imported_modules
from tests.unit.cli.runner import greenroom

HEAVY_MODULES = {
    "aiohttp",
    "githubkit",
    "httpx",
    "kubernetes",
    "pydantic",
    "sqlalchemy",
    "starlette",
    "structlog",
}


def test_help_lists_the_commands() -> None:
    result = greenroom("--help")
    assert result.exit_code == 0
    assert all(command in result.stdout for command in ("serve", "doctor", "migrate", "version", "embedded"))


def test_help_imports_no_heavy_module() -> None:
    assert not HEAVY_MODULES & imported_modules("import bot.cli.main")


def test_version_is_the_installed_version() -> None:
    assert greenroom("version").stdout == f"greenroom {version('greenroom')}\n"


def test_version_is_an_option_as_well() -> None:
    result = greenroom("--version")
    assert (result.exit_code, result.stdout) == (0, greenroom("version").stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_of_the_shell_names_the_commands(shell: str) -> None:
    """What the shell runs when the user presses the tab key after `greenroom mi`."""
    words = {"COMP_WORDS": "greenroom mi", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "greenroom mi"}
    result = greenroom(
        "", _GREENROOM_COMPLETE=f"complete_{shell}", _TYPER_COMPLETE_FISH_ACTION="get-args", **words
    )
    assert "migrate" in result.stdout
    assert "serve" not in result.stdout


def test_no_command_shows_the_help_and_fails() -> None:
    result = greenroom()
    assert result.exit_code == 2
    assert "Receive webhooks" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("serv",), "No such command 'serv'. Did you mean 'serve'?"),
        (("why",), "Missing argument 'ENV'"),
        (("serve", "--port", "eighty"), "--port"),
        (("promote", "acme/shop"), "Missing argument 'STAGE'"),
        (("promote", "acme/shop", "staging"), "Name the release: either --pull NUMBER or --release ID."),
    ],
)
def test_wrong_arguments_exit_with_2(arguments: tuple[str, ...], message: str) -> None:
    result = greenroom(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("arguments", [("serve",), ("why", "acme/shop#7"), ("stage", "list")])
def test_missing_settings_are_named(arguments: tuple[str, ...]) -> None:
    result = greenroom(*arguments)
    assert result.exit_code == 2
    assert "GREENROOM_WEBHOOK_SECRET is not set." in result.stderr


@pytest.mark.parametrize("arguments", [("demo",), ("embedded", "kubernetes")])
def test_embedded_servers_require_a_checkout(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = greenroom(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "run from a checkout" in result.stderr


def test_help_fits_80_columns_and_names_arguments_plainly() -> None:
    for command in ([], ["env"], ["promote"], ["setup"], ["audit"]):
        lines = greenroom(*command, "--help", COLUMNS="80").stdout.splitlines()
        assert all(len(line) <= 80 for line in lines), command
        assert "{" not in "".join(lines)
        assert not any(line.endswith("...") for line in lines[1:])


def test_schema_is_that_of_the_documentation() -> None:
    for arguments in (("schema",), ("schema", "--json")):
        assert greenroom(*arguments).stdout == Path("docs/greenroom.schema.json").read_text()

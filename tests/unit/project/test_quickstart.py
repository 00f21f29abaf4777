"""The commands and files of the guides for newcomers exist and are valid."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import yaml
from typer.main import get_command

from bot.cli.main import app
from tests.unit.project.files import ROOT

GUIDES = ("quickstart.md", "manifests.md", "running.md", "promotion.md", "sleep.md", "drift.md")


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.M | re.S)


def _greenroom_lines(page: str) -> list[list[str]]:
    """The arguments of `greenroom` in shell blocks, on this machine and in the bot's Pod."""
    text = "\n".join(_blocks(page, "sh")).replace("\\\n", " ")
    lines = re.findall(r"(?:^|-- )(?:\.venv/bin/)?greenroom ([^#\n|<']+)", text, re.M)
    return [shlex.split(line) for line in lines]


def _command(words: list[str]) -> tuple[Any, list[str]]:
    """The command of these words, and its arguments."""
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        assert words, "a group without a command"
        assert words[0] in command.commands, f"there is no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_quick_start_uses_every_step_of_a_newcomer() -> None:
    assert [" ".join(words[:1]) for words in _greenroom_lines("quickstart.md")] == [
        *("setup", "doctor", "init", "render")
    ]


@pytest.mark.parametrize("page", GUIDES)
def test_commands_in_shell_blocks_exist_with_their_options(page: str) -> None:
    for words in _greenroom_lines(page):
        command, arguments = _command(words)
        options = {option for parameter in command.params for option in parameter.opts}
        given = {word.partition("=")[0] for word in arguments if word.startswith("--")}
        assert given <= options | {"--help"}, f"{page}: {' '.join(words)}"


@pytest.mark.parametrize("page", ["quickstart.md", "manifests.md"])
def test_yaml_blocks_are_valid(page: str) -> None:
    blocks = [*_blocks(page, "yaml"), *_here_documents(page)]
    assert blocks
    for block in blocks:
        assert list(yaml.safe_load_all(block)), block


def _here_documents(page: str) -> list[str]:
    text = "\n".join(_blocks(page, "sh"))
    return re.findall(r"<<'END'\n(.*?)^END$", text, re.M | re.S)


def test_quick_start_names_one_gateway_one_domain_and_one_release() -> None:
    """What the reader creates in one step is what a later one uses."""
    text = (ROOT / "docs" / "quickstart.md").read_text()
    cluster, gateway = map(yaml.safe_load, _here_documents("quickstart.md"))
    [values] = map(yaml.safe_load, _blocks("quickstart.md", "yaml"))
    [mapping] = cluster["nodes"][0]["extraPortMappings"]
    listener = gateway["spec"]["listeners"][0]
    name = f"{gateway['metadata']['namespace']}/{gateway['metadata']['name']}"
    assert mapping["containerPort"] == values["ports"]["web"]["nodePort"]
    assert listener["port"] == values["ports"]["web"]["port"]
    assert f"gateway is `{name}`" in " ".join(text.split())
    domain = f"http://{listener['hostname'].removeprefix('*.')}:{mapping['hostPort']}"
    assert f"the domain `{domain}`" in " ".join(text.split())
    version = yaml.safe_load((ROOT / "deploy" / "chart" / "Chart.yaml").read_text())["appVersion"]
    assert set(re.findall(r"YOUR-REGISTRY/greenroom:(\S+)", text)) == {version}


@pytest.mark.parametrize("path", ["deploy/Dockerfile", "deploy/chart/Chart.yaml"])
def test_files_that_the_quick_start_names_exist(path: str) -> None:
    assert path.removesuffix("/Chart.yaml") in (ROOT / "docs" / "quickstart.md").read_text()
    assert (ROOT / path).is_file()

"""All places where a secret could be shown: GitHub, pages, command line, log, store, metrics, arguments."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import httpx

from tests.story.conftest import Scenario
from tests.unit.cli.process import run_process

CONTROLS = {
    "pages and command line": b"preview",
    "GitHub": b"greenroom",
    "log": b"work",
    "metrics": b"greenroom_",
    "store": b"SQLite format",
    "arguments": b"serve",
}
"""What each place contains in any case: a place that was not read would hide nothing."""


async def assert_never_shown(scenario: Scenario, number: int, *values: str) -> None:
    """On no page, in no output of the command line, and in none of the places of `assert_not_kept`."""
    pages = {"pages and command line": (await looked_at(scenario, number)).encode()}
    assert_in_none({**pages, **await _places(scenario)}, *values)


async def assert_not_kept(scenario: Scenario, *values: str) -> None:
    """Neither on GitHub nor in log, store, metrics and arguments: also errors come there."""
    assert_in_none(await _places(scenario), *values)


def assert_in_none(places: Mapping[str, bytes], *values: str) -> None:
    """Asserts that no value is shown, nor encoded as base64, as JSON or in a URL."""
    for place, content in places.items():
        assert CONTROLS[place] in content, f"{place} was not read"
    for form in {form for value in values for form in _forms(value)}:
        shown = [place for place, content in places.items() if form in content]
        assert not shown, f"shown: {', '.join(shown)}"


def _forms(value: str) -> tuple[bytes, ...]:
    plain = value.encode()
    return plain, base64.b64encode(plain), json.dumps(value)[1:-1].encode(), quote(value).encode()


async def _places(scenario: Scenario) -> dict[str, bytes]:
    return {
        "GitHub": on_github(scenario).encode(),
        "log": await asyncio.to_thread(scenario.bot.log.read_bytes),
        "metrics": await _metrics(scenario),
        **await asyncio.to_thread(_of_process, scenario),
    }


def _of_process(scenario: Scenario) -> dict[str, bytes]:
    stored = b"".join(path.read_bytes() for path in scenario.site.database.parent.glob("bot.db*"))
    return {"store": stored, "arguments": b"".join(_arguments(scenario.bot.pid))}


def _arguments(process: int) -> Iterator[bytes]:
    """Arguments of the process and of all that it started, such as Helm."""
    folder = Path(f"/proc/{process}")
    with contextlib.suppress(OSError):  # it has ended
        yield (folder / "cmdline").read_bytes()
        for children in folder.glob("task/*/children"):
            for child in children.read_text().split():
                yield from _arguments(int(child))


async def _metrics(scenario: Scenario) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{scenario.bot.url}/metrics")).content


async def looked_at(scenario: Scenario, number: int) -> str:
    """The text of the environment's page and of the command line."""
    name = f"{scenario.repository}#{number}"
    commands = (
        ("env", "show", name, "--json"),
        ("env", "logs", name, "--json"),
        ("env", "logs", name),
        ("env", "export", name),
        ("why", name),
    )
    runs = (asyncio.to_thread(run_process, *command, **scenario.site.settings) for command in commands)
    shown = await asyncio.gather(*runs)
    assert [(done.returncode, done.stderr) for done in shown] == [(0, "")] * len(commands)
    return "\n".join([await signed_in_page(scenario, number), *(done.stdout for done in shown)])


async def signed_in_page(scenario: Scenario, number: int) -> str:
    """Signs in as ada, through the embedded GitHub's consent page."""
    repository = scenario.github.world.repository(scenario.repository)
    path = f"/environments/preview/{repository.id}/{number}"
    async with httpx.AsyncClient(base_url=scenario.bot.url, trust_env=False) as browser:
        asked = await browser.post("/sign-in", params={"next": path})
        authorize = httpx.URL(asked.headers["location"])
        agreed = await browser.post(authorize, data={**authorize.params, "login": "ada"})
        page = await browser.get(agreed.headers["location"], follow_redirects=True)
    assert page.status_code == 200
    assert page.url.path == path
    return html.unescape(page.text)


def on_github(scenario: Scenario) -> str:
    """Everything that GitHub shows of a repository's pull requests."""
    comments = [scenario.comments(pull.number) for pull in scenario.github.pulls.of(scenario.repository)]
    return repr((comments, scenario.github.checks.runs(scenario.repository), scenario.deployments()))

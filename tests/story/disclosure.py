"""All places where a secret could be shown: GitHub, pages, command line, log, store, metrics, arguments."""

from __future__ import annotations

import asyncio
import base64
import html
from pathlib import Path

import httpx

from tests.story.conftest import Scenario
from tests.unit.cli.process import run_process


async def assert_never_shown(scenario: Scenario, number: int, *values: str) -> None:
    """Asserts that the value is never shown, nor encoded as base64, in which Secrets contain it."""
    places = {
        "pages and command line": (await looked_at(scenario, number)).encode(),
        "GitHub": on_github(scenario).encode(),
        "log": await asyncio.to_thread(scenario.bot.log.read_bytes),
        "metrics": await _metrics(scenario),
        **await asyncio.to_thread(_of_process, scenario),
    }
    plain = [value.encode() for value in values]
    for form in (*plain, *map(base64.b64encode, plain)):
        assert [place for place, content in places.items() if form in content] == []


def _of_process(scenario: Scenario) -> dict[str, bytes]:
    stored = b"".join(path.read_bytes() for path in scenario.site.database.parent.glob("bot.db*"))
    arguments = Path(f"/proc/{scenario.bot.pid}/cmdline").read_bytes()
    assert b"serve" in arguments
    return {"store": stored, "arguments": arguments}


async def _metrics(scenario: Scenario) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"{scenario.bot.url}/metrics")
    assert b"greenroom_" in response.content
    return response.content


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
    shown = [await asyncio.to_thread(run_process, *command, **scenario.site.settings) for command in commands]
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

"""Tries out everything that the bot needs, each thing by itself, and says what to do where it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from bot.environments.configuration import PATH, parse_configuration
from bot.github.client import Client
from bot.github.connection import Connection
from bot.github.contents import Contents
from bot.github.failures import NotFound, Unauthorized
from bot.github.installations import Installations
from bot.github.permissions import missing
from bot.model.errors import GreenroomError, StoreUnavailable
from bot.model.repository import Repository
from bot.registry.client import RegistryClient
from bot.registry.credentials import Credentials
from bot.settings import Settings, SettingsError, read_settings
from bot.store import Store

_PATIENCE_SECONDS = 30
_MOST_REPOSITORIES = 20
"""Whose configuration is read; enough to find a mistake that concerns all."""
_NO_COMMIT = "0" * 40


class State(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    state: State
    told: str
    """What was found, and what to do when it failed; may be several lines."""


class Ailing(GreenroomError):
    """Something is wrong; the message says what, and what to do."""


def examine() -> list[Finding]:
    """Never raises for what it finds."""
    try:
        settings = read_settings()
    except SettingsError as error:
        return [Finding("settings", State.FAILED, problem) for problem in error.problems]
    return [Finding("settings", State.PASSED, "complete"), *asyncio.run(_examine(settings))]


async def _examine(settings: Settings) -> list[Finding]:
    async with _github(settings) as client:
        checks: list[tuple[str, Callable[[], Awaitable[str]], str | None]] = [
            ("database", lambda: _database(settings), None),
            ("GitHub App", lambda: _app(client), None),
            ("permissions", lambda: _permissions(client), "GitHub App"),
            ("webhook", lambda: _webhook(client, settings), "GitHub App"),
            ("images", lambda: _images(client, settings), "GitHub App"),
        ]
        findings: list[Finding] = []
        for name, check, needs in checks:
            well = {finding.name for finding in findings if finding.state is State.PASSED}
            if needs is not None and needs not in well:
                findings.append(Finding(name, State.SKIPPED, f"{needs} comes first"))
            else:
                findings.append(await _find(name, check))
    return findings


async def _find(name: str, check: Callable[[], Awaitable[str]]) -> Finding:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return Finding(name, State.PASSED, await check())
    except GreenroomError as error:
        return Finding(name, State.FAILED, str(error))
    except TimeoutError:
        return Finding(name, State.FAILED, f"No answer within {_PATIENCE_SECONDS} s.")
    except Exception as error:
        return Finding(
            name, State.FAILED, f"The check itself broke ({type(error).__name__}): please report it."
        )


@asynccontextmanager
async def _github(settings: Settings) -> AsyncIterator[Client]:
    connection = Connection(
        settings.github_api_url,
        settings.github_app_id,
        settings.github_private_key.get_secret_value(),
        _now,
        settings.github_ca_file,
    )
    try:
        yield Client(connection, _now)
    finally:
        await connection.close()


async def _database(settings: Settings) -> str:
    store = await Store.open(settings.database_url.get_secret_value())
    try:
        await store.ping()
    except StoreUnavailable as error:
        raise Ailing(
            f"{error} If it is new, `greenroom serve` or `greenroom migrate` makes the tables."
        ) from None
    finally:
        await store.close()
    return "it answers, and its tables are there"


async def _app(client: Client) -> str:
    try:
        app = (await client.get(None, "/app")).json()
    except NotFound:
        raise Ailing(
            "GitHub knows no such App: compare GREENROOM_GITHUB_APP_ID with the App's page."
        ) from None
    except Unauthorized as error:
        raise Ailing(
            f"{error}. Is the private key this App's? Generate a new one on its page; and see that this "
            "machine's clock is right."
        ) from None
    return f"signed in as {app['name']}"


async def _permissions(client: Client) -> str:
    problems = await missing(client)
    if problems:
        raise Ailing("\n".join(problems))
    return "the App and every installation have what is needed"


async def _webhook(client: Client, settings: Settings) -> str:
    hook = (await client.get(None, "/app/hook/config")).json()
    expected = f"{settings.public_url}/webhooks"
    if hook.get("url", "").rstrip("/") != expected:
        raise Ailing(
            f"GitHub sends deliveries to {hook.get('url') or 'nowhere'}: "
            f"set the webhook's URL on the App's page to {expected}, or correct GREENROOM_PUBLIC_URL."
        )
    if hook.get("content_type") != "json":
        raise Ailing("Set the webhook's content type on the App's page to application/json.")
    return f"GitHub sends deliveries to {expected}"


async def _images(client: Client, settings: Settings) -> str:
    """Asks for a tag that nobody has: the answer shows whether the bot may read the image."""
    credentials = _credentials(settings)
    contents, read, problems = Contents(client), set[str](), list[str]()
    async with RegistryClient(credentials, settings.private_registries) as registry:
        for repository in await _repositories(client):
            try:
                text = await contents.default_branch_file(repository, PATH)
                for image in parse_configuration(text).images.values() if text is not None else ():
                    await registry.resolve(image.repository, image.tag_for(_NO_COMMIT))
                    read.add(image.repository)
            except GreenroomError as error:
                problems.append(f"{repository.full_name}: {error}.")
    if problems:
        raise Ailing("\n".join(problems))
    return f"can be read: {', '.join(sorted(read))}" if read else f"no repository has a {PATH} yet"


def _credentials(settings: Settings) -> Credentials:
    if settings.registry_credentials is None:
        return Credentials()
    try:
        return Credentials.from_docker_config(Path(settings.registry_credentials).read_text())
    except (OSError, ValueError) as error:
        raise Ailing(f"GREENROOM_REGISTRY_CREDENTIALS: {error}.") from None


async def _repositories(client: Client) -> Sequence[Repository]:
    installations = Installations(client)
    found: list[Repository] = []
    for installation in await installations.all():
        if len(found) < _MOST_REPOSITORIES and not installation.suspended:
            found += await installations.repositories(installation.id)
    return found[:_MOST_REPOSITORIES]


def _now() -> datetime:
    return datetime.now(UTC)

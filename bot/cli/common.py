"""What the commands share: settings, the store, GitHub, JSON output, and exits with a message.

Exit codes of all commands: 0 success, 1 a negative answer or a refusal, 2 a usage error or a failed service.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from bot.github.app import GitHubApp
    from bot.model.repository import Repository
    from bot.settings import ManifestSettings, Settings
    from bot.store import Store

SettingsT = TypeVar("SettingsT", bound="ManifestSettings")
T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")]
RepositoryName = Annotated[str, typer.Argument(metavar="REPOSITORY", help="OWNER/NAME, such as acme/shop.")]
OptionalRepositoryName = Annotated[
    str | None, typer.Argument(metavar="REPOSITORY", help="OWNER/NAME, such as acme/shop.")
]
StageName = Annotated[str, typer.Argument(metavar="STAGE", help="Name of a stage or demo.")]

_INVISIBLE = re.compile(r"[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Control and formatting characters that JSON does not escape."""


def load_settings(log_level: str | None = None) -> Settings:
    """The settings, with logging configured. Exits with 2 when a setting is missing or invalid."""
    import os

    from bot.logging import set_up_logging
    from bot.secrets.environment import EnvironmentSecrets
    from bot.settings import read_settings

    settings = _checked(read_settings)
    _check_clusters(settings)
    injected = EnvironmentSecrets(os.environ).values
    set_up_logging(log_level or settings.log_level, (*settings.hidden_values, *injected))
    return settings


def _check_clusters(settings: Settings) -> None:
    from bot.cluster.clusters_file import read_clusters

    _checked(lambda: read_clusters(settings)[0].settings)


def load_manifest_settings() -> ManifestSettings:
    """The settings for rendering; none is required. Exits with 2 when one is invalid."""
    from bot.settings import read_manifest_settings

    return _checked(read_manifest_settings)


def _checked(read: Callable[[], SettingsT]) -> SettingsT:
    from bot.cluster.guard.kind_fields import check_settings
    from bot.settings import SettingsError

    try:
        settings = read()
        check_settings(settings)
    except SettingsError as error:
        fail(*error.problems, "See docs/settings.md; `greenroom doctor` checks the settings.")
    return settings


def fail(*lines: str, code: int = 2) -> NoReturn:
    """Prints the non-empty lines to stderr, without control characters, and exits."""
    from bot.cli.terminal import plain

    print(*filter(None, map(plain, lines)), sep="\n", file=sys.stderr)
    raise typer.Exit(code)


def with_store(settings: Settings, query: Callable[[Store], Awaitable[T]], refusal_code: int = 1) -> T:
    """The result of the query. Exits with the code on a refusal, and with 2 when a service fails."""
    import asyncio

    from bot.github.messages.refusals import refusal
    from bot.model.errors import GreenroomError, StoreUnavailable
    from bot.promotions.refusals import Refusal
    from bot.store import Store, StoreUnusable

    async def run() -> T:
        store = await Store.open(settings.database_url.get_secret_value(), create=False)
        try:
            await store.ping()
            return await query(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (StoreUnusable, StoreUnavailable) as error:
        fail(
            f"Cannot read the database: {error}",
            "Set GREENROOM_DATABASE_URL to the database of `greenroom serve`.",
        )
    except Refusal as error:
        fail(refusal(error.reason), code=refusal_code)
    except GreenroomError as error:
        fail(str(error), getattr(error, "detail", ""))


async def find_repository(store: Store, name: str, code: int = 1) -> Repository:
    """The repository of this name; exits with the code when it has neither environments nor stages."""
    repositories = [environment.repository for environment in await store.environments.find()]
    repositories += [stage.repository for stage in await store.promotions.stages()]
    for repository in repositories:
        if repository.full_name.lower() == name.lower():
            return repository
    fail(f"Unknown repository {name}: it has no environment and no stage.", code=code)


def github_app(settings: Settings) -> GitHubApp:
    from bot.github.app import GitHubApp

    return GitHubApp(
        api_url=settings.github_api_url,
        app_id=settings.github_app_id,
        private_key=settings.github_private_key.get_secret_value(),
        public_url=settings.public_url,
        preview_environment=settings.preview_environment,
        ca_file=settings.github_ca_file,
    )


def print_result(value: object, text: str, as_json: bool) -> None:
    """Prints the result of a command that changes something: the value as JSON, or the text."""
    from bot.cli.terminal import plain

    if as_json:
        print_json(value)
    else:
        print(plain(text))


def confirm(question: str, *lines: str, yes: bool) -> None:
    """Prints the non-empty lines and asks on stderr. Exits with 1 without the answer yes."""
    from bot.cli.terminal import plain

    print(*filter(None, map(plain, lines)), sep="\n", end="\n" if lines else "", file=sys.stderr)
    if not yes and not typer.confirm(plain(question), err=True):
        raise typer.Exit(1)


def print_json(value: object) -> None:
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    print(_INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text))

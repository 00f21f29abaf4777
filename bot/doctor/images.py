"""May the bot read the images that the repositories name?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.doctor.findings import CheckFailed
from bot.github.client.github_client import GitHubClient
from bot.github.resources.contents import Contents
from bot.github.resources.installations import Installations
from bot.model.errors import GreenroomError
from bot.model.repository import Repository
from bot.registry.client import RegistryClient
from bot.registry.credentials import Credentials
from bot.settings import Settings

_MOST_REPOSITORIES = 20
"""Enough to find a mistake that concerns all of them."""
_NO_COMMIT = "0" * 40


async def images(client: GitHubClient, settings: Settings) -> str:
    """Asks for a tag that nobody has: an answer, whatever it is, shows that the image may be read."""
    contents = Contents(client)
    readable: set[str] = set()
    problems: list[str] = []
    async with RegistryClient(_credentials(settings), settings.private_registries) as registry:
        for repository in await repositories(client):
            try:
                text = await contents.default_branch_file(repository, CONFIG_FILE)
                for image in parse_configuration(text).images.values() if text is not None else ():
                    await registry.resolve(image.repository, image.tag_for(_NO_COMMIT))
                    readable.add(image.repository)
            except GreenroomError as error:
                problems.append(f"{repository.full_name}: {error}")
    if problems:
        raise CheckFailed("\n".join(problems))
    return (
        f"can be read: {', '.join(sorted(readable))}"
        if readable
        else f"no repository has a {CONFIG_FILE} yet"
    )


def _credentials(settings: Settings) -> Credentials:
    if settings.registry_credentials is None:
        return Credentials()
    try:
        return Credentials.from_docker_config(Path(settings.registry_credentials).read_text())
    except (OSError, ValueError) as error:
        raise CheckFailed(f"GREENROOM_REGISTRY_CREDENTIALS: {error}") from None


async def repositories(client: GitHubClient) -> Sequence[Repository]:
    """Some that the App is installed on."""
    installations = Installations(client)
    found: list[Repository] = []
    for installation in await installations.all():
        if len(found) < _MOST_REPOSITORIES and not installation.suspended:
            found += await installations.repositories_of(installation.id)
    return found[:_MOST_REPOSITORIES]

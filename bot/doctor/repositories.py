"""Checks what the configurations of the App's repositories need: images and manifest tools."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.render.tools import ToolMissing, Tools
from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.doctor.checks import CheckFailed
from bot.github.client.github_client import GitHubClient
from bot.github.resources.contents import Contents
from bot.github.resources.installations import Installations
from bot.model.errors import GreenroomError
from bot.model.manifest import Tool
from bot.model.repository import Repository
from bot.settings import Settings
from bot.wiring.dependencies import registry_client

_MAX_REPOSITORIES = 20
"""Enough to find a mistake that affects all of them."""
_MISSING_COMMIT = "0" * 40


async def check_images(client: GitHubClient, settings: Settings) -> str:
    """Resolves a tag that does not exist: any response but an error shows that the image is readable."""
    contents = Contents(client)
    readable: set[str] = set()
    problems: list[str] = []
    async with registry_client(settings) as registry:
        for repository in await _repositories(client):
            try:
                text = await contents.default_branch_file(repository, CONFIG_FILE)
                for image in parse_configuration(text).images.values() if text is not None else ():
                    await registry.resolve(image.repository, image.tag_for(_MISSING_COMMIT))
                    readable.add(image.repository)
            except GreenroomError as error:
                problems.append(f"{repository.full_name}: {error}")
    if problems:
        raise CheckFailed("\n".join(problems))
    return (
        f"readable: {', '.join(sorted(readable))}" if readable else f"no repository has a {CONFIG_FILE} yet"
    )


async def check_manifest_tools(client: GitHubClient) -> str:
    """Requires Kustomize and Helm only where a repository uses them."""
    users = await _tool_users(client)
    tools, installed, missing = Tools(), [], []
    for tool in (Tool.KUSTOMIZE, Tool.HELM):
        try:
            installed.append(f"{tool} {await tools.version(tool)}")
        except ToolMissing:
            if tool in users:
                names = ", ".join(users[tool])
                missing.append(f"{tool} is not installed, but {names} uses it. Add it to the bot's image.")
            else:
                installed.append(f"{tool}: not installed (not needed)")
    if missing:
        raise CheckFailed("\n".join(missing))
    return "; ".join(installed)


async def _tool_users(client: GitHubClient) -> dict[Tool, list[str]]:
    """The repositories that use each tool. Unreadable configurations are reported by the check of images."""
    contents = Contents(client)
    users: dict[Tool, list[str]] = {}
    for repository in await _repositories(client):
        try:
            text = await contents.default_branch_file(repository, CONFIG_FILE)
            if text is not None:
                users.setdefault(parse_configuration(text).manifests.tool, []).append(repository.full_name)
        except GreenroomError:
            continue
    return users


async def _repositories(client: GitHubClient) -> Sequence[Repository]:
    """The first repositories that the App is installed on."""
    installations = Installations(client)
    repositories: list[Repository] = []
    for installation in await installations.list_all():
        if len(repositories) < _MAX_REPOSITORIES and not installation.suspended:
            repositories += await installations.repositories_of(installation.id)
    return repositories[:_MAX_REPOSITORIES]

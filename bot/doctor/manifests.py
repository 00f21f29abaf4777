"""Are the programs there that the repositories' manifests need?"""

from __future__ import annotations

from bot.cluster.render.tools import ToolMissing, Tools
from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.doctor.findings import CheckFailed
from bot.doctor.images import repositories
from bot.github.client.github_client import GitHubClient
from bot.github.resources.contents import Contents
from bot.model.errors import GreenroomError
from bot.model.manifest import Tool


async def manifests(client: GitHubClient) -> str:
    """A program that nobody needs may be missing."""
    needed = await _needed(client)
    tools, found, missing = Tools(), [], []
    for tool in (Tool.KUSTOMIZE, Tool.HELM):
        try:
            found.append(f"{tool} {await tools.version(tool)}")
        except ToolMissing:
            if tool in needed:
                users = ", ".join(needed[tool])
                missing.append(f"{tool} is not on the PATH, and {users} needs it: add it to the bot's image.")
            else:
                found.append(f"{tool} is not there, and nobody needs it")
    if missing:
        raise CheckFailed("\n".join(missing))
    return "; ".join(found)


async def _needed(client: GitHubClient) -> dict[Tool, list[str]]:
    """By tool the repositories that use it; a configuration that cannot be read is told elsewhere."""
    contents = Contents(client)
    needed: dict[Tool, list[str]] = {}
    for repository in await repositories(client):
        try:
            text = await contents.default_branch_file(repository, CONFIG_FILE)
            if text is not None:
                tool = parse_configuration(text).manifests.tool
                needed.setdefault(tool, []).append(repository.full_name)
        except GreenroomError:
            continue
    return needed

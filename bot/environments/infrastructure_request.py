"""Reads what a run of Terraform is given: the module, its variables and its secrets."""

from __future__ import annotations

from dataclasses import dataclass

from bot.config.infrastructure import Infrastructure
from bot.environments.infrastructure.module import module_files
from bot.environments.outcome import Failed
from bot.environments.port_set import Ports
from bot.environments.secrets import read_secrets
from bot.model.environment import EnvironmentKey
from bot.model.infrastructure import InfrastructureRequest
from bot.model.placeholders import Placeholder, expand
from bot.model.repository import Repository


@dataclass(frozen=True, slots=True)
class Place:
    """The environment for which a module runs."""

    key: EnvironmentKey
    repository: Repository
    commit: str
    host: str
    url: str
    number: str = ""
    """Of the pull request; "" for stages and demos."""


async def read_request(
    ports: Ports, settings: Infrastructure, place: Place, module_commit: str, digest_key: bytes
) -> InfrastructureRequest | Failed:
    """Raises Rejected for a module that cannot be run, Unavailable when something does not answer."""
    folder = settings.terraform or ""
    files = module_files(await ports.contents.files(place.repository, module_commit, {folder}), folder)
    secrets = await read_secrets(
        ports.secrets,
        settings.secrets,
        place.repository,
        place.key,
        digest_key,
        section="infrastructure",
    )
    if isinstance(secrets, Failed):
        return secrets
    places = {
        Placeholder.URL: place.url,
        Placeholder.HOST: place.host,
        Placeholder.SHA: place.commit,
        Placeholder.NUMBER: place.number,
    }
    plain = {name: expand(value, places) for name, value in settings.variables.items()}
    return InfrastructureRequest(files, {**plain, **secrets.values}, tuple(secrets.values))

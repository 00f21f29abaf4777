"""Reads what a run of Terraform is given: the module, its variables and its secrets."""

from __future__ import annotations

from dataclasses import dataclass

from bot.config.infrastructure import Infrastructure
from bot.environments.infrastructure.module import module_files
from bot.environments.outcome import Failed
from bot.environments.port_set import Ports
from bot.environments.secrets import read_secrets
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from bot.model.infrastructure import InfrastructureRequest
from bot.model.placeholders import Placeholder, expand
from bot.model.plan import PinnedModule
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
    """Number of the pull request; "" for stages and demos."""


@dataclass(frozen=True, slots=True)
class FoundModule:
    repository: Repository
    commit: str
    pinned: PinnedModule | None = None
    """None for a module in the environment's own repository."""


async def find_module(
    ports: Ports, settings: Infrastructure, own: FoundModule, planned: PinnedModule | None
) -> FoundModule:
    """The module that the section names; `own` for one in the environment's repository.

    `planned` is what was resolved before, which a tag that moved since does not change.
    Raises Rejected for a repository or tag that cannot be used, Unavailable when GitHub does not answer.
    """
    source, reader = settings.terraform, ports.modules
    if source is None or source.repository is None or source.ref is None:
        return own
    if reader is None:
        raise Rejected("Modules of other repositories cannot be read here.")
    repository = await reader.find(own.repository, source.repository)
    if planned is not None and (planned.repository, planned.ref) == (source.repository, source.ref):
        commit = planned.commit
    else:
        commit = source.ref if source.full_sha else await reader.tagged(repository, source.ref)
    return FoundModule(repository, commit, PinnedModule(source.repository, source.ref, commit))


async def read_request(
    ports: Ports, settings: Infrastructure, place: Place, module: FoundModule, digest_key: bytes
) -> InfrastructureRequest | Failed:
    """Raises Rejected for a module that cannot be run, Unavailable when something does not answer."""
    folder = settings.terraform.path if settings.terraform is not None else ""
    files = module_files(await ports.contents.files(module.repository, module.commit, {folder}), folder)
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

"""A checkout on this machine, rendered as an environment would be."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.cluster.render.generated import Marked
    from bot.config.schema import Configuration
    from bot.github.resources.selection import Member
    from bot.model.environment import EnvironmentKey
    from bot.model.manifest import Bundle, RenderRequest
    from bot.model.repository import Repository
    from bot.settings import ManifestSettings

_UNKNOWN_DIGEST = "sha256:" + "0" * 64
_UNKNOWN_COMMIT = "0" * 40


async def render_checkout(
    directory: Path,
    configuration: Configuration,
    key: EnvironmentKey,
    given: Mapping[str, str],
    settings: ManifestSettings,
) -> Bundle:
    """The objects of an environment. Raises Rejected like the renderer; `given` are digests by image."""
    from bot.cluster.policy import ClusterPolicy
    from bot.cluster.render import renderer as rendering

    request, marked = await read_checkout(directory, configuration, key, given, settings)
    return rendering.render(request, marked, ClusterPolicy.of(settings))


async def read_checkout(
    directory: Path,
    configuration: Configuration,
    key: EnvironmentKey,
    given: Mapping[str, str],
    settings: ManifestSettings,
    repository: Repository | None = None,
) -> tuple[RenderRequest, Marked]:
    """The request for an environment, and the objects of the tool before any transform."""
    from bot.cluster.policy import ClusterPolicy
    from bot.cluster.render.tools import Tools
    from bot.cluster.render.variables import with_settings
    from bot.environments.commit_files import with_files
    from bot.environments.render_request import hosts_of, render_request
    from bot.model.naming import namespace_name
    from bot.model.release import Image
    from bot.model.repository import Repository
    from bot.registry.charts import open_charts

    repository = repository or Repository(0, 0, "local", directory.name)
    section = configuration.section_of(key)
    domain = settings.base_domain.host
    namespace = getattr(section, "namespace", None) or namespace_name(key, repository)

    async def use(files: Mapping[str, bytes]) -> tuple[RenderRequest, Marked]:
        request = render_request(
            configuration,
            hosts=hosts_of(section, key, repository, lambda label: f"{label}.{domain}", fork=False),
            environment=key,
            repository=repository,
            namespace=namespace,
            commit=_UNKNOWN_COMMIT,
            images={
                image: Image(source.repository, given.get(image, _UNKNOWN_DIGEST))
                for image, source in configuration.images.items()
            },
            files=files,
            secrets="unknown" if section.secrets else "",
        )
        hosts, policy = settings.render_hosts, ClusterPolicy.of(settings)
        async with open_charts(settings.registry_credentials, settings.private_registries, hosts) as charts:
            marked = await Tools(hosts, charts=charts).sources(with_settings(request, policy))
        return request, marked

    return await with_files(Checkout(directory), repository, _UNKNOWN_COMMIT, configuration, use)


class Checkout:
    """Reads files of a checkout like those of a commit."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def default_branch_file(self, repository: Repository, path: str) -> str | None:
        return (self._directory / path).read_text("utf-8-sig", errors="replace")

    async def files(
        self, repository: Repository, commit: str, folders: Collection[str]
    ) -> Mapping[str, bytes]:
        from bot.github.resources.selection import select

        return select(lambda: members(self._directory), folders)


def members(directory: Path) -> Iterator[Member]:
    """The files and links of a checkout."""
    from bot.github.resources.selection import Kind, Member

    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted([*names, *(name for name in folders if Path(folder, name).is_symlink())]):
            file = Path(folder, name)
            path = file.relative_to(directory).as_posix()
            if file.is_symlink():
                yield Member(path, Kind.LINK, target=os.readlink(file))
            elif file.is_file():
                yield Member(path, Kind.FILE, file.stat().st_size, read=file.read_bytes)
            else:
                yield Member(path, Kind.OTHER)

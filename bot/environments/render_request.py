"""Builds render requests from the configuration. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from itertools import takewhile
from typing import Required, TypedDict, Unpack

from bot.config.fields import Job
from bot.config.loader import CONFIG_FILE
from bot.config.manifests import Manifests
from bot.config.patterns import any_path_matcher
from bot.config.schema import Configuration, Preview, Seed
from bot.config.stages import Stage
from bot.model.environment import EnvironmentKey
from bot.model.errors import ManifestRefused
from bot.model.manifest import JobRequest, Location, RenderRequest
from bot.model.naming import host_label
from bot.model.release import Image
from bot.model.repository import Repository
from bot.model.routing import NO_HOSTS, Hosts
from bot.model.secret import ExternalReference

_WILDCARD = re.compile(r"[][*?{}()!|\\\\]")


class RunFields(TypedDict, total=False):
    """The fields of a request that neither the configuration nor the caller's own arguments decide."""

    repository: Required[Repository]
    namespace: Required[str]
    commit: Required[str]
    images: Required[Mapping[str, Image]]
    secrets: str
    external: Mapping[str, ExternalReference]
    external_values: str
    resets: str
    refreshes: int
    asleep: bool
    fork: bool
    serial: int


class RequestFields(RunFields, total=False):
    environment: Required[EnvironmentKey]
    files: Required[Mapping[str, bytes]]


def render_request(
    configuration: Configuration,
    *,
    environment: EnvironmentKey,
    hosts: Hosts,
    files: Mapping[str, bytes],
    **fields: Unpack[RunFields],
) -> RenderRequest:
    """`files` are those of the commit; `fields` are the request's fields that no configuration decides."""
    section, data = configuration.section_of(environment), configuration.data_of(environment)
    return replace(
        common_request(configuration, environment=environment, files=files, **fields),
        hosts=hosts if configuration.routing else NO_HOSTS,
        config=section.config,
        tracks=isinstance(section, Stage) and section.rollout.progressive,
        seed=_seed(data.seed, files) if data.seed else None,
        checks=tuple(_job(check.title, check.job) for check in section.checks if check.job),
    )


def common_request(configuration: Configuration, **fields: Unpack[RequestFields]) -> RenderRequest:
    """The part of a request that is the same for all environments."""
    data = configuration.data
    return replace(
        manifests_request(configuration, **fields),
        routing=configuration.routing,
        migrations=_job("migrations", data.migrate) if data and data.migrate else None,
    )


def manifests_request(configuration: Configuration, **fields: Unpack[RequestFields]) -> RenderRequest:
    """The commit's manifests, without anything that the bot adds."""
    production = configuration.manifests
    manifests = configuration.manifests_of(fields["environment"])
    return RenderRequest(
        **asdict(_location(manifests)),
        production=_location(production) if manifests != production else None,
        ignored_kinds=manifests.ignore,
        image_names={
            image: source.name for image, source in configuration.images.items() if source.name is not None
        },
        job_images=configuration.job_images,
        **fields,
    )


def _location(manifests: Manifests) -> Location:
    return Location(
        tool=manifests.tool,
        directory=manifests.directory,
        paths=manifests.plain or (),
        values=manifests.values,
        helm_settings=manifests.helm_settings,
    )


def hosts_of(
    section: Preview | Stage,
    key: EnvironmentKey,
    repository: Repository,
    host: Callable[[str], str],
    *,
    fork: bool,
) -> Hosts:
    """The environment's host names; `host` adds the domain to a label.

    A build of a fork never gets a stage's own hosts.
    """
    generated = host(host_label(key, repository))
    own = section if isinstance(section, Stage) and not fork else Stage()
    return Hosts(own.host or generated, generated, own.hosts)


def needed_folders(configuration: Configuration) -> frozenset[str]:
    """The files and folders of a commit that the configuration names."""
    data = configuration.data
    patterns = data.seed.files if data is not None and data.seed is not None else ()
    folders = set(map(_folder_of, patterns))
    for manifests in (configuration.manifests, configuration.manifests_of(EnvironmentKey.preview(0, 0))):
        paths = manifests.plain or (manifests.directory,)
        folders |= {*map(_folder_of, paths), *manifests.values}
    return frozenset(folders)


def _folder_of(pattern: str) -> str:
    """The part of a glob pattern before the first wildcard."""
    parts = takewhile(lambda part: not _WILDCARD.search(part), pattern.split("/"))
    return "/".join(part for part in parts if part not in ("", "."))


def _seed(seed: Seed, files: Mapping[str, bytes]) -> JobRequest:
    selected: dict[str, bytes] = {}
    for pattern in seed.files:
        matches = any_path_matcher((pattern,)).fullmatch
        matching = {path: files[path] for path in files if matches(path)}
        if not matching:
            raise ManifestRefused(
                f"{CONFIG_FILE}, data.seed.files: {pattern!r} matches no file of this commit."
            )
        selected |= matching
    return replace(_job("seed", seed), files=selected)


def _job(name: str, job: Job) -> JobRequest:
    return JobRequest(name, job.image, job.command, int(job.timeout.total_seconds()))

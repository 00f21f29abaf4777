"""What is asked to be rendered: a place and a commit, as the configuration says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.config.fields import Job
from bot.config.loader import CONFIG_FILE
from bot.config.patterns import path_matches
from bot.config.schema import Configuration, Seed
from bot.model.environment import EnvironmentKey
from bot.model.errors import ManifestRefused
from bot.model.manifest import Backend, JobRequest, RenderRequest


def render_request(
    configuration: Configuration,
    *,
    environment: EnvironmentKey,
    host: str,
    files: Mapping[str, bytes],
    **place: Any,
) -> RenderRequest:
    """`files` are the commit's; `place` are the other fields of the request that no configuration tells."""
    own, data = configuration.section_of(environment), configuration.data_of(environment)
    return replace(
        common_request(configuration, environment=environment, files=files, **place),
        host=host if configuration.route else "",
        config=own.config,
        seed=_seed(data.seed, files) if data.seed else None,
        checks=tuple(_job(check.title, check.job) for check in own.checks if check.job),
    )


def common_request(configuration: Configuration, **place: Any) -> RenderRequest:
    """What the configuration says alike of all environments, without what is only one's own."""
    route, data = configuration.route, configuration.data
    return replace(
        manifests_request(configuration, **place),
        backend=Backend(route.service, route.port) if route else None,
        migrations=_job("migrations", data.migrate) if data and data.migrate else None,
    )


def manifests_request(configuration: Configuration, **place: Any) -> RenderRequest:
    """The commit's manifests, and nothing that the bot adds to them."""
    manifests = configuration.manifests
    return RenderRequest(
        tool=manifests.tool,
        directory=manifests.directory,
        values=manifests.values,
        backend=None,
        host="",
        **place,
    )


def _seed(seed: Seed, files: Mapping[str, bytes]) -> JobRequest:
    chosen: dict[str, bytes] = {}
    for pattern in seed.files:
        found = {path: content for path, content in files.items() if path_matches(path, pattern)}
        if not found:
            told = "matches no file of this commit (files larger than 5 MiB are not looked at)"
            raise ManifestRefused(f"{CONFIG_FILE}, data.seed.files: {pattern!r} {told}.")
        chosen |= found
    return replace(_job("seed", seed), files=chosen)


def _job(name: str, job: Job) -> JobRequest:
    return JobRequest(name, job.image, job.command, int(job.timeout.total_seconds()))

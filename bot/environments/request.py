"""What is asked to be rendered: a place and a commit, as the configuration says. Pure."""

from __future__ import annotations

from typing import Any

from bot.environments.configuration import Configuration, Job
from bot.model.manifest import Backend, JobRequest, RenderRequest


def render_request(configuration: Configuration, *, host: str, **place: Any) -> RenderRequest:
    """`place` are the fields of the request that no configuration tells."""
    manifests, route, data = configuration.manifests, configuration.route, configuration.data
    checks = configuration.preview.checks
    return RenderRequest(
        tool=manifests.tool,
        directory=manifests.directory,
        values=manifests.values,
        backend=Backend(route.service, route.port) if route else None,
        host=host if route else "",
        config=configuration.preview.config,
        seed=_job("seed", data.seed) if data else None,
        checks=tuple(_job(check.title, check.job) for check in checks if check.job),
        **place,
    )


def _job(name: str, job: Job) -> JobRequest:
    return JobRequest(name, job.image, job.command, int(job.timeout.total_seconds()))

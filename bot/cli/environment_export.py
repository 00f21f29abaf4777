"""`greenroom env export` and `greenroom env diff`: the contents of environments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.common import Json, fail, github_app, load_settings, print_json, with_store
from bot.cli.environments import Name, find

if TYPE_CHECKING:
    from bot.model.environment import Environment
    from bot.model.manifest import Bundle
    from bot.settings import Settings
    from bot.store import Store

Side = Annotated[
    str, typer.Argument(metavar="ENV", help="Name or key of an environment, or a file of `env export`.")
]


def export(name: Name, as_json: Json = False) -> None:
    """Print the release, digests and objects of an environment, without secret values."""
    import yaml

    settings = load_settings("error")
    document = with_store(settings, lambda store: _document(store, settings, name))
    if as_json:
        print_json(document)
    else:
        typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)


def diff(left: Side, right: Side, as_json: Json = False) -> None:
    """Compare releases, digests and objects of two environments. Exits with 0 if equal, 1 if different."""
    from bot.cli.terminal import plain
    from bot.infrastructure.export import document_differences

    settings = load_settings("error")

    async def query(store: Store) -> list[Mapping[str, Any]]:
        return [_read(side) or await _document(store, settings, side) for side in (left, right)]

    lines = list(document_differences(*with_store(settings, query)))
    if as_json:
        print_json({"differences": lines})
    else:
        typer.echo("".join(f"{plain(line)}\n" for line in lines), nl=False)
    raise typer.Exit(1 if lines else 0)


def _read(side: str) -> Mapping[str, Any] | None:
    """The document of a file; None if there is no such file."""
    import yaml

    from bot.infrastructure.export import VERSION

    path = Path(side)
    if not path.is_file():
        return None
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        fail(f"{side} cannot be read: {error}")
    if not isinstance(document, dict) or document.get("version") != VERSION or "objects" not in document:
        fail(f"{side} is not a file of `greenroom env export`.")
    return document


async def _document(store: Store, settings: Settings, name: str) -> Mapping[str, Any]:
    from bot.infrastructure.export import exported

    environment = await find(store, name)
    target = environment.overrides.target
    text = target.configuration if target is not None else environment.attempt.configuration
    if text is None or environment.attempt.release is None:
        fail(f"{name} was not deployed yet: there is nothing to export.", code=1)
    return exported(environment, text, await _bundle(settings, environment, text))


async def _bundle(settings: Settings, environment: Environment, text: str) -> Bundle:
    """The objects of the environment, rendered again from its commit. No secret is read."""
    from bot.cluster.policy import ClusterPolicy
    from bot.cluster.render.renderer import ManifestRenderer
    from bot.cluster.render.tools import Tools
    from bot.config.loader import parse_configuration
    from bot.environments.commit_files import with_files
    from bot.environments.render_request import hosts_of, render_request
    from bot.registry.charts import open_charts

    configuration = parse_configuration(text)
    section, target = configuration.section_of(environment.key), environment.overrides.target
    attempt, pull = environment.attempt, environment.attempt.pull_request
    fork = target.release.from_fork if target is not None else pull is None or pull.from_fork
    domain = (settings.fork_base_domain if fork else None) or settings.base_domain
    release = attempt.release
    assert release is not None, "it was deployed"
    infrastructure = configuration.infrastructure_of(environment.key)
    has_outputs = infrastructure is not None and bool(infrastructure.outputs)

    def host(label: str) -> str:
        return f"{label}.{domain.host}"

    async def render_files(files: Mapping[str, bytes]) -> Bundle:
        request = render_request(
            configuration,
            hosts=hosts_of(section, environment.key, environment.repository, host, fork=fork),
            environment=environment.key,
            repository=environment.repository,
            namespace=environment.namespace,
            commit=release.commit,
            images=release.images,
            files=files,
            secrets="withheld" if (section.secrets or has_outputs) and not fork else "",
            refreshes=environment.overrides.refreshes,
            asleep=environment.overrides.sleeps_at(release.commit),
            fork=fork,
            serial=target.serial if target is not None else 0,
        )
        return await renderer.render(request)

    hosts = settings.render_hosts
    github = github_app(settings)
    try:
        async with open_charts(settings.registry_credentials, settings.private_registries, hosts) as charts:
            renderer = ManifestRenderer(ClusterPolicy.of(settings), Tools(hosts, charts=charts))
            repository, commit = environment.repository, release.commit
            return await with_files(github.contents, repository, commit, configuration, render_files)
    finally:
        await github.close()

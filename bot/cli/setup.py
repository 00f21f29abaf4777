"""`greenroom setup`: registers the GitHub App in a browser, stores its credentials and runs the doctor."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from bot.cli.common import Json, fail, print_json
from bot.cli.setup_questions import Given, ask, report

if TYPE_CHECKING:
    from bot.cluster.client.api import KubernetesApi
    from bot.doctor import Finding
    from bot.github.resources.registration import RegisteredApp
    from bot.setup.answers import Answers
    from bot.setup.destinations import ClusterSecret, PrivateFile

_WAIT_SECONDS = 3600
_KUBECONFIG = Path("~/.kube/config")


@dataclass(frozen=True)
class SetupResult:
    """What `--json` prints; without secrets."""

    app_id: int
    app: str
    installation_url: str
    written: Sequence[str]
    checks: Sequence[Finding]
    next_steps: Sequence[str]


@dataclass(frozen=True)
class _Target:
    """Where the settings go: all to a file, or the secrets to the cluster and the others to Helm's values."""

    env_file: Path | None
    namespace: str
    values: Path
    force: bool

    @property
    def file(self) -> PrivateFile:
        from bot.setup.destinations import PrivateFile

        return PrivateFile(self.values if self.env_file is None else self.env_file, force=self.force)

    def secret(self, api: KubernetesApi) -> ClusterSecret:
        from bot.setup.destinations import ClusterSecret

        return ClusterSecret(api, self.namespace, force=self.force)


def setup(  # noqa: PLR0913  # options
    organization: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Owner of the App. Default: the user who signs in."),
    ] = None,
    github_url: Annotated[
        str, typer.Option(metavar="URL", help="GitHub, or your GitHub Enterprise Server.")
    ] = "https://github.com",
    github_ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Private certificate authority of GitHub, as PEM.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the App, unique on this GitHub.")
    ] = None,
    public_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where GitHub and users will reach the bot.")
    ] = None,
    gateway: Annotated[
        str | None, typer.Option(metavar="NAMESPACE/NAME", help="Gateway for the routes of environments.")
    ] = None,
    base_domain: Annotated[
        str | None, typer.Option(metavar="DOMAIN", help="Wildcard domain of environments.")
    ] = None,
    env_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all settings to this file, not to the cluster.")
    ] = None,
    namespace: Annotated[str, typer.Option(metavar="NAME", help="Namespace of the Secret.")] = "greenroom",
    values: Annotated[
        Path, typer.Option(metavar="FILE", help="Helm values with the settings that are not secret.")
    ] = Path("greenroom-values.yaml"),
    port: Annotated[
        int,
        typer.Option(metavar="PORT", help="Port on 127.0.0.1 for the browser. 0: any.", min=0, max=65535),
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open a browser on this machine.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files and Secrets.")] = False,
    as_json: Json = False,
) -> None:
    """Register the GitHub App in a browser, store its credentials, and run the doctor.

    The credentials go to the Secret greenroom-secrets of the cluster of KUBECONFIG, or to a private file with
    --env-file. They are never printed. A terminal asks for missing options.
    """
    from bot.logging import set_up_logging
    from bot.model.errors import GreenroomError

    set_up_logging("error")
    target = _Target(env_file, namespace, values, force)
    given = Given(github_url, github_ca, organization, name, public_url, gateway, base_domain)
    try:
        answers = asyncio.run(_prepare(given, target))
        app = _register(answers, port, browser=browser)
    except GreenroomError as error:
        fail(str(error))
    written = asyncio.run(_store(answers, app, target))
    report(f"The App {app.name} is registered. Its credentials are in {written[0]}.")
    if sys.stdin.isatty() and not as_json:
        report(f"Install it on the repositories that need previews: {app.installation_url}")
        typer.prompt("Press Enter when it is installed", default="", show_default=False, err=True)
    checks, steps = _check(answers, app, target), tuple(_next_steps(app, target))
    result = SetupResult(app.id, app.name, app.installation_url, written, checks, steps)
    if as_json:
        print_json(result)
    else:
        _show(result)


async def _prepare(given: Given, target: _Target) -> Answers:
    """Asks for the answers, and checks that the credentials can be stored."""
    from bot.model.errors import GreenroomError
    from bot.setup.gateways import gateways

    target.file.check()
    try:
        async with await _connect() as api:
            if target.env_file is None:
                await target.secret(api).check()
            choices = await gateways(api)
    except GreenroomError:
        if target.env_file is None:
            raise
        choices = ()  # a file needs no cluster
    return ask(given, choices)


async def _connect() -> KubernetesApi:
    from bot.cluster.client.connection import connect

    return await connect(_kubeconfig(), user_agent="greenroom-setup")


def _kubeconfig() -> str | None:
    """The kubeconfig of the bot's settings, otherwise kubectl's."""
    default = _KUBECONFIG.expanduser()
    return os.environ.get("KUBECONFIG") or (str(default) if default.is_file() else None)


def _register(answers: Answers, port: int, *, browser: bool) -> RegisteredApp:
    """Waits until the operator has registered the App. Raises a GreenroomError."""
    import webbrowser

    from bot.github.resources.app_manifest import app_manifest
    from bot.github.resources.registration import registration_page
    from bot.setup.browser import Registration

    registration = Registration(
        port,
        lambda state: registration_page(answers.github_url, answers.organization, state),
        lambda redirect: app_manifest(answers.name, answers.public_url, redirect),
        lambda code: asyncio.run(_exchange(answers, code)),
    )
    with registration:
        report(f"Open this page in a browser on this machine: {registration.url}")
        if browser:
            webbrowser.open(registration.url)
        return registration.wait(_WAIT_SECONDS)


async def _exchange(answers: Answers, code: str) -> RegisteredApp:
    from datetime import UTC, datetime

    from bot.github.client.connection import Connection
    from bot.github.resources.registration import exchange_code
    from bot.github.resources.sign_in import api_url

    address, clock = api_url(answers.github_url), lambda: datetime.now(UTC)
    connection = Connection(address, 0, "", clock, answers.github_ca_file)
    try:
        return await exchange_code(connection, code)
    finally:
        await connection.close()


async def _store(answers: Answers, app: RegisteredApp, target: _Target) -> Sequence[str]:
    """Stores the settings; returns where. What cannot be stored goes to a file, as GitHub shows it once."""
    from bot.config.yaml_text import yaml_text
    from bot.model.errors import GreenroomError
    from bot.setup.answers import secrets

    public, secret = answers.settings(app), secrets(app)
    try:
        if target.env_file is not None:
            kubeconfig = _kubeconfig()
            cluster = {"KUBECONFIG": kubeconfig} if kubeconfig else {}
            return (target.file.write_variables({**public, **secret, **cluster}),)
        async with await _connect() as api:
            written = await target.secret(api).write(secret)
        return written, target.file.write(yaml_text({"settings": dict(public)}))
    except GreenroomError as error:
        _rescue(error, app, {**public, **secret})


def _rescue(error: Exception, app: RegisteredApp, values: Mapping[str, str]) -> NoReturn:
    from bot.model.errors import GreenroomError
    from bot.setup.destinations import PrivateFile

    registered = f"The App {app.name} is registered."
    try:
        kept = PrivateFile(Path(f"greenroom-{app.id}.env"), force=False).write_variables(values)
    except GreenroomError as second:
        fail(str(error), str(second), f"{registered} Generate new secrets on its settings page: {app.url}")
    fail(str(error), f"{registered} Its credentials are in {kept}.")


def _check(answers: Answers, app: RegisteredApp, target: _Target) -> Sequence[Finding]:
    """The doctor's findings with the new settings."""
    from bot.doctor import run_all_checks
    from bot.setup.answers import secrets

    os.environ.update({**answers.settings(app), **secrets(app)})
    if kubeconfig := _kubeconfig():
        os.environ["KUBECONFIG"] = kubeconfig
    return run_all_checks(installed=target.env_file is not None)


def _next_steps(app: RegisteredApp, target: _Target) -> Sequence[str]:
    install = f"Install the App on the repositories that need previews: {app.installation_url}"
    if target.env_file is not None:
        # A shell searches a name without a slash on the PATH.
        file = target.env_file if len(target.env_file.parts) > 1 else f"./{target.env_file}"
        return install, f"Start the bot: set -a; . {file}; set +a; greenroom serve"
    return (
        install,
        "Build and push the image: see docs/running.md",
        f"Install the bot: helm upgrade --install --namespace {target.namespace} --values {target.values} "
        "--set image.repository=IMAGE greenroom deploy/chart",
        f"Check it: kubectl exec --namespace {target.namespace} deployment/greenroom -- greenroom doctor",
    )


def _show(result: SetupResult) -> None:
    from bot.cli.doctor import show_findings

    show_findings(result.checks)
    print("\nLeft to do:")
    for number, step in enumerate(result.next_steps, start=1):
        print(f"{number}. {step}")

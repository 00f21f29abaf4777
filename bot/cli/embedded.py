"""`greenroom embedded …`: each part of the embedded world by itself, for outside clients to be pointed at."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

commands = typer.Typer(no_args_is_help=True)

_PACKAGES = ("graphql", "kubernetes_validate")
"""What `serve` never needs."""

Port = Annotated[int, typer.Option(help="Port on loopback; 0 for a free one.", min=0, max=65535)]


@commands.callback()
def embedded() -> None:
    """A GitHub, a registry and a cluster on loopback, for trying things out."""
    from importlib.util import find_spec

    if not all(find_spec(package) for package in _PACKAGES):
        typer.echo("The embedded world is not installed: pip install 'greenroom[embedded]'.", err=True)
        raise typer.Exit(2)


@commands.command()
def github(
    port: Port = 0,
    webhook_url: Annotated[str, typer.Option(help="Where deliveries are sent.")] = "",
    key: Annotated[
        Path | None, typer.Option(help="File for the App's private key; else one that goes when it ends.")
    ] = None,
) -> None:
    """A GitHub with an App on a sample repository, acme/shop. Prints the bot's settings for it."""
    from bot.embedded.github import GitHubServer
    from bot.embedded.samples.commits import shop_files

    _end_on_signals()
    with GitHubServer(port=port) as server, _private_folder() as folder:
        server.accounts.create_user("ada")
        server.accounts.create_organization("acme", admins=("ada",))
        server.repositories.create("acme/shop", shop_files())
        if webhook_url:
            server.apps.set_webhook(webhook_url)
        server.apps.install("acme", by="ada")
        credentials = server.credentials
        path = key or folder / "app.pem"
        _write_private(path, credentials.private_key)
        _tell(
            server.url,
            GREENROOM_GITHUB_API_URL=server.api_url,
            GREENROOM_GITHUB_APP_ID=credentials.app_id,
            GREENROOM_GITHUB_PRIVATE_KEY=path.resolve(),
            GREENROOM_WEBHOOK_SECRET=credentials.webhook_secret,
        )
        _run(_until_signal())


@commands.command()
def registry(
    folder: Annotated[Path, typer.Argument(help="Folder with an OCI image layout for each repository.")],
    port: Port = 0,
) -> None:
    """A registry that gives out the images of a folder."""
    from bot.embedded.registry import RegistryServer

    async def serve() -> None:
        async with RegistryServer(folder, port=port) as server:
            _tell(server.url, GREENROOM_PRIVATE_REGISTRIES=server.host)
            await _until_signal()

    _run(serve())


@commands.command()
def kubernetes(
    port: Port = 0,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="File to write, for kubectl too; else one that goes when it ends.")
    ] = None,
) -> None:
    """A Kubernetes API server. Nothing runs on it until a node joins."""
    from bot.embedded.kubernetes import KubernetesServer

    async def serve() -> None:
        with _private_folder() as folder:
            async with KubernetesServer(port) as server:
                path = kubeconfig or folder / "kubeconfig"
                server.write_kubeconfig(path)
                _tell(server.url, KUBECONFIG=path.resolve())
                await _until_signal()

    _run(serve())


@commands.command()
def node(
    kubeconfig: Annotated[Path, typer.Option(envvar="KUBECONFIG", help="The cluster to join.")],
    port: Port = 0,
    controllers: Annotated[
        bool, typer.Option(help="Run controllers too; not beside a cluster's own ones.")
    ] = True,
) -> None:
    """A node that runs pods as local processes, and a gateway on the port for the routes of the cluster."""
    from contextlib import AsyncExitStack

    from bot.embedded.client import Connection
    from bot.embedded.controllers import Controllers
    from bot.embedded.gateway import Gateway
    from bot.embedded.node import Node

    async def serve() -> None:
        connection = Connection.from_kubeconfig(kubeconfig)
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(_private_folder())
            if controllers:
                await stack.enter_async_context(Controllers(connection))
            await stack.enter_async_context(Node(connection, folder))
            gateway = await stack.enter_async_context(Gateway(connection, port=port))
            address = f"127.0.0.1:{gateway.port}"
            _tell(f"http://{address}", GREENROOM_GATEWAY_ADDRESS=address)
            await _until_signal()

    _run(serve())


def _tell(url: str, **settings: object) -> None:
    """What a shell can read: where it is, and the bot's settings for it."""
    typer.echo(f"# {url}, until it is interrupted")
    for name, value in settings.items():
        typer.echo(f"export {name}={value}")


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Nobody else's to read, and gone at the end."""
    with TemporaryDirectory(prefix="greenroom-") as folder:
        yield Path(folder)


def _write_private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _run(work: Coroutine[None, None, None]) -> None:
    import asyncio

    _end_on_signals()
    asyncio.run(work)


def _end_on_signals() -> None:
    """What ends it while it still begins lets it leave nothing behind either."""
    import signal
    import sys

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))


async def _until_signal() -> None:
    import asyncio
    import signal

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()

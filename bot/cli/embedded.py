"""`greenroom demo` and `greenroom embedded …`: the demo, and each embedded server on its own.

They need `bot.embedded`, which the wheel and the image exclude.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from bot.cli.common import fail
from bot.cli.groups import Commands

commands = Commands()

_MODULES = ("bot.embedded", "graphql", "kubernetes_validate")

Port = Annotated[int, typer.Option(help="Port on loopback; 0 for a free one.", min=0, max=65535)]


@commands.callback()
def embedded() -> None:
    """Run an embedded GitHub, registry or Kubernetes on loopback, for tests and experiments."""
    _require_checkout()


def demo() -> None:
    """Run the demo on this machine, without a cluster or GitHub account. Keeps running on a terminal."""
    _require_checkout()
    import asyncio
    import sys

    from rich.console import Console

    from bot.embedded.demo import DemoFailed, run

    console = Console()
    try:
        asyncio.run(run(console, stay=sys.stdin.isatty() and console.is_terminal))
    except (DemoFailed, RuntimeError) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Ended.")


@commands.command()
def github(
    port: Port = 0,
    webhook_url: Annotated[str, typer.Option(help="URL that receives deliveries.")] = "",
    key: Annotated[
        Path | None, typer.Option(help="File for the App's private key; a temporary file by default.")
    ] = None,
) -> None:
    """Run a GitHub with an App on a sample repository, acme/shop, and print the settings for the bot."""
    from bot.embedded.github import GitHubServer
    from bot.embedded.samples import shop_files

    _exit_on_signals()
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
        _print_settings(
            server.url,
            GREENROOM_GITHUB_API_URL=server.api_url,
            GREENROOM_GITHUB_APP_ID=credentials.app_id,
            GREENROOM_GITHUB_PRIVATE_KEY=path.resolve(),
            GREENROOM_WEBHOOK_SECRET=credentials.webhook_secret,
        )
        _run(_until_signal())


@commands.command()
def registry(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder with one OCI image layout per repository.")
    ],
    port: Port = 0,
) -> None:
    """Run a registry that serves the images of a folder."""
    from bot.embedded.registry import RegistryServer

    async def serve() -> None:
        async with RegistryServer(folder, port=port) as server:
            _print_settings(server.url, GREENROOM_PRIVATE_REGISTRIES=server.host)
            await _until_signal()

    _run(serve())


@commands.command()
def kubernetes(
    port: Port = 0,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="File to write the kubeconfig to; a temporary file by default.")
    ] = None,
    app_id: Annotated[
        int | None, typer.Option(help="Id of the bot's App: also write a kubeconfig with the bot's rights.")
    ] = None,
) -> None:
    """Run a Kubernetes API server. Pods run once a node joins."""
    from bot.cluster.client.connection import connect
    from bot.embedded.installation import install
    from bot.embedded.kubernetes import KubernetesServer

    async def serve() -> None:
        with _private_folder() as folder:
            async with KubernetesServer(port) as server:
                path = kubeconfig or folder / "kubeconfig"
                server.write_kubeconfig(path)
                if app_id is not None:
                    own = path.with_name(f"{path.name}-bot")
                    async with await connect(path) as client:
                        path = await install(client, app_id, path, own, server)
                _print_settings(server.url, KUBECONFIG=path.resolve())
                await _until_signal()

    _run(serve())


@commands.command()
def node(
    kubeconfig: Annotated[Path, typer.Option(envvar="KUBECONFIG", help="Cluster to join.")],
    port: Port = 0,
    controllers: Annotated[
        bool, typer.Option(help="Also run the controllers; off for a cluster that has its own.")
    ] = True,
) -> None:
    """Run a node that runs pods as local processes, and a gateway for the routes of the cluster."""
    from contextlib import AsyncExitStack

    from bot.cluster.client.connection import connect
    from bot.embedded.controllers import Controllers
    from bot.embedded.gateway import Gateway
    from bot.embedded.node import Node

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(_private_folder())
            api = await stack.enter_async_context(await connect(kubeconfig, user_agent="greenroom-embedded"))
            if controllers:
                await stack.enter_async_context(Controllers(api))
            await stack.enter_async_context(Node(api, folder))
            gateway = await stack.enter_async_context(Gateway(api, port=port))
            address = f"127.0.0.1:{gateway.port}"
            _print_settings(f"http://{address}", GREENROOM_GATEWAY_ADDRESS=address)
            await _until_signal()

    _run(serve())


def _require_checkout() -> None:
    from importlib.util import find_spec

    if not all(find_spec(module) for module in _MODULES):
        fail("The demo and the embedded servers run from a checkout: clone the repository, then `make demo`.")


def _print_settings(url: str, **settings: object) -> None:
    """Prints the URL and the settings for the bot as shell commands."""
    typer.echo(f"# {url}, until interrupted")
    for name, value in settings.items():
        typer.echo(f"export {name}={value}")


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A temporary folder that only this user can read."""
    with TemporaryDirectory(prefix="greenroom-") as folder:
        yield Path(folder)


def _write_private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def _run(work: Coroutine[None, None, None]) -> None:
    import asyncio

    _exit_on_signals()
    asyncio.run(work)


def _exit_on_signals() -> None:
    """Lets a signal during start-up clean up, too."""
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

"""Starts the servers and the bot, runs the demo, and stays up on a terminal."""

import asyncio
import functools
import shlex
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from bot.embedded.bot_process import BotProcess, free_port
from bot.embedded.demo import canary, steps
from bot.embedded.demo.presenter import REPOSITORY, Presenter
from bot.embedded.github import PreparedPush
from bot.embedded.samples import LOOKS, broken_start, failing_smoke, restyle, shop_files
from bot.embedded.world import World
from bot.model.environment import EnvironmentState
from bot.store import Store


async def run(console: Console, stay: bool) -> None:
    """Run the demo. Raises DemoFailed for an unexpected state; cleans up in every case."""
    _end_on_signals()
    with console.status("Starting GitHub, registry and cluster on this machine"):
        world = await World().__aenter__()
    try:
        port = free_port()
        await asyncio.to_thread(_populate, world, f"http://127.0.0.1:{port}/webhooks")
        database = world.folder / "greenroom.db"
        settings = world.settings(f"http://127.0.0.1:{port}", database)
        async with BotProcess(port, settings, world.folder / "bot.log"):
            store = await Store.open(f"sqlite:///{database}")
            try:
                presenter = Presenter(console, world, store)
                started = time.monotonic()
                await _play(presenter)
                console.print()
                console.print(f"[green]✓[/green] the demo took {time.monotonic() - started:.1f} s")
                if stay:
                    await _stay(presenter, settings)
            finally:
                await store.close()
    finally:
        await world.__aexit__(None, None, None)


def _end_on_signals() -> None:
    """SIGTERM and SIGHUP end the demo as an interrupt does."""
    task = asyncio.current_task()
    assert task is not None, "called within a task"
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _play(presenter: Presenter) -> None:
    async with canary.canaries(presenter) as seen:
        number = await steps.preview(presenter)
        await steps.reseed(presenter, number)
        await steps.promotion(presenter, number)
        await steps.failures(presenter)
        await steps.fork(presenter)
        await canary.show(presenter, seen)
    await steps.end(presenter, number)


def _write_settings(folder: Path, settings: Mapping[str, str]) -> Path:
    """Write a file to be sourced by a shell, into the private folder."""
    path = folder / "settings.sh"
    path.touch(mode=0o600)
    lines = (f"{name}={shlex.quote(value)}" for name, value in settings.items() if name != "PATH")
    path.write_text("\n".join(lines) + "\n")
    return path


async def _stay(presenter: Presenter, settings: Mapping[str, str]) -> None:
    """Open a pull request for the user and wait for Ctrl-C."""
    presenter.section("Your turn")
    number = await presenter.open("night", presenter.files("night"), "The night market")
    environment = await presenter.wait_for_preview(number, EnvironmentState.READY)
    show = functools.partial(presenter.console.print, highlight=False, soft_wrap=True)
    show()
    show("[b]The demo stays up.[/b] Push, comment, close and reopen on the pull request, as any user.")
    show("`/promote integration` and `/promote security` come first, then `/promote staging` and")
    show("`/promote production`, which grace or linus must approve.")
    show(f"  pull request  {presenter.github.url}/{REPOSITORY}/pull/{number}")
    show(f"  preview       {environment.status.url}")
    show(f"  dashboard     {settings['GREENROOM_PUBLIC_URL']}")
    show(
        f"  greenroom     set -a; . {_write_settings(presenter.world.folder, settings)}; greenroom stage list"
    )
    show(f"  kubectl       --kubeconfig {presenter.world.kubeconfig} -n {environment.namespace}")
    show("Press Ctrl-C to stop.")
    await asyncio.Event().wait()


def _populate(world: World, webhook: str) -> None:
    github = world.github
    files = shop_files(world.registry.host)
    github.accounts.create_user("ada", name="Ada")
    github.accounts.create_user("grace", name="Grace")
    github.accounts.create_user("linus", name="Linus")
    github.accounts.create_user("mallory", name="Mallory")
    github.accounts.create_organization("acme", admins=("ada",))
    github.repositories.create(REPOSITORY, files)
    github.repositories.set_role(REPOSITORY, "grace", "write")
    github.repositories.set_role(REPOSITORY, "linus", "maintain")
    prepared: list[tuple[str, Callable[[], dict[str, bytes]]]] = [
        ("Spring look", lambda: restyle(files, LOOKS["spring"])),
        ("Autumn look", lambda: restyle(files, LOOKS["autumn"])),
        ("Crash at start", lambda: broken_start(files)),
        ("Failing smoke test", lambda: failing_smoke(files)),
    ]
    github.settings.prepared_pushes[REPOSITORY] = [PreparedPush(name, make()) for name, make in prepared]
    github.apps.set_webhook(webhook)
    github.apps.install("acme", by="ada")
    github.accounts.create_organization("harbour", admins=("ada",))
    github.repositories.create(canary.REPOSITORY, canary.canary_shop(files))
    github.apps.install("harbour", by="ada")

"""Starts the world and the bot, plays the story, and stays up for whoever sits at the terminal."""

from __future__ import annotations

import asyncio
import functools
import shlex
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from bot.embedded.bot_process import BotProcess, free_port
from bot.embedded.demo import chapters
from bot.embedded.demo.teller import REPOSITORY, Teller
from bot.embedded.github import PreparedPush
from bot.embedded.samples import LOOKS, broken_start, failing_smoke, restyle, shop_files
from bot.embedded.world import World
from bot.model.environment import EnvironmentState
from bot.store import Store


async def run(console: Console, stay: bool) -> None:
    """Raises DemoFailed when the story does not go as told; whatever ends it, nothing of it is left."""
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
                teller = Teller(console, world, store)
                began = time.monotonic()
                await _play(teller)
                console.print()
                console.print(f"[green]✓[/green] the whole story took {time.monotonic() - began:.1f} s")
                if stay:
                    await _stay(teller, settings)
            finally:
                await store.close()
    finally:
        await world.__aexit__(None, None, None)


def _end_on_signals() -> None:
    """When it is killed, or its terminal closed, as when it is interrupted."""
    task = asyncio.current_task()
    assert task is not None, "it is called within one"
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


async def _play(teller: Teller) -> None:
    number = await chapters.preview(teller)
    await chapters.reseed(teller, number)
    await chapters.promotion(teller, number)
    await chapters.failures(teller)
    await chapters.fork(teller)
    await chapters.end(teller, number)


def _write_settings(folder: Path, settings: Mapping[str, str]) -> Path:
    """For a shell. It goes with the folder, which only this user can read."""
    path = folder / "settings.sh"
    path.touch(mode=0o600)
    told = (f"{name}={shlex.quote(value)}" for name, value in settings.items() if name != "PATH")
    path.write_text("\n".join(told) + "\n")
    return path


async def _stay(teller: Teller, settings: Mapping[str, str]) -> None:
    """A fresh pull request for a person; until Ctrl-C."""
    teller.chapter("Yours")
    number = await teller.open("night", teller.files("night"), "The night market")
    environment = await teller.watch(number, EnvironmentState.READY)
    say = functools.partial(teller.console.print, highlight=False, soft_wrap=True)
    say()
    say("[b]It stays up for you.[/b] Push, comment, close and reopen on the pull request; choose there who")
    say("you are. `/promote integration` and `/promote security` come first, then `/promote staging` and")
    say("`/promote production`, which somebody else has to approve: grace or linus.")
    say(f"  pull request  {teller.github.url}/{REPOSITORY}/pull/{number}")
    say(f"  preview       {environment.status.url}")
    say(f"  dashboard     {settings['GREENROOM_PUBLIC_URL']}")
    say(f"  greenroom     set -a; . {_write_settings(teller.world.folder, settings)}; greenroom stage list")
    say(f"  kubectl       --kubeconfig {teller.world.kubeconfig} -n {environment.namespace}")
    say("Ctrl-C ends it.")
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

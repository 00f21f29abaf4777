"""`greenroom env sleep` and `greenroom env wake`."""

from __future__ import annotations

import getpass
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.cli.common import Json, fail, load_settings, print_json, with_store
from bot.cli.environments import Name, find

if TYPE_CHECKING:
    from bot.model.environment import Environment
    from bot.store import Store


def sleep(name: Name, as_json: Json = False) -> None:
    """Stop the workloads of a preview and keep its data."""
    from bot.model.sleep import Sleep

    user = getpass.getuser()

    async def request(store: Store) -> Environment:
        environment = await _preview(store, name)
        head = _head(environment)
        if environment.overrides.sleeps_at(head):
            fail(f"{name} is already asleep.", code=1)
        await store.environments.update_overrides(
            environment.key,
            lambda overrides: replace(overrides, sleep=Sleep(head, by=user)),
            "Sleep requested on the command line.",
            user,
        )
        return environment

    _requested(with_store(load_settings("error"), request), "sleep", as_json=as_json)


def wake(name: Name, as_json: Json = False) -> None:
    """Start the workloads of a sleeping preview."""

    async def request(store: Store) -> Environment:
        environment = await _preview(store, name)
        user = getpass.getuser()
        if not await store.environments.wake(environment.key, "Wake-up requested on the command line.", user):
            fail(f"{name} is not asleep; it is {environment.status.state}.", code=1)
        return environment

    _requested(with_store(load_settings("error"), request), "wake", as_json=as_json)


async def _preview(store: Store, name: str) -> Environment:
    """Exits with a message unless the name is that of a preview that exists."""
    from bot.environments.views import display_name
    from bot.model.environment import EnvironmentKind

    environment = await find(store, name)
    shown = display_name(environment)
    if environment.key.kind is not EnvironmentKind.PREVIEW:
        fail(f"{shown} is a {environment.key.kind}. Only previews sleep.", code=1)
    if environment.status.end is not None or environment.attempt.pull_request is None:
        fail(f"{shown} is {environment.status.state}. `/preview` on the pull request deploys it.", code=1)
    return environment


def _head(environment: Environment) -> str:
    pull = environment.attempt.pull_request
    assert pull is not None, "checked before"
    return pull.head_sha


def _requested(environment: Environment, action: str, *, as_json: bool) -> None:
    from bot.environments.views import display_name

    shown = display_name(environment)
    if as_json:
        print_json({"environment": str(environment.key), "requested": action})
    else:
        verb = {"sleep": "Sleep", "wake": "Wake-up"}[action]
        print(f"{verb} of {shown} requested. `greenroom why '{shown}'` shows the progress.")

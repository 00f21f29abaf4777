"""`greenroom env approve-plan` and `greenroom env abandon`: decisions about infrastructure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import Json, Yes, confirm, fail, load_settings, print_result, with_store
from bot.cli.environments import Name, find

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.model.environment import Environment, UserOverrides
    from bot.store import Store


def approve_plan(
    name: Name,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="Digest of the plan, from its message.")],
    as_json: Json = False,
) -> None:
    """Approve a Terraform plan that destroys or replaces something. It applies to exactly this plan."""
    import getpass
    import re

    from bot.environments.views import display_name

    if not re.fullmatch(r"[0-9a-f]{12}", plan):
        fail(f"{plan} is not a plan. The message about it shows 12 hexadecimal digits.", code=1)
    reason = f"The Terraform plan {plan} was approved on the command line."
    changed = _change(
        name, lambda overrides: replace(overrides, approved_plan=plan), reason, getpass.getuser()
    )
    shown = display_name(changed)
    text = f"The plan {plan} of {shown} is approved. `greenroom why '{shown}'` shows the progress."
    print_result({"environment": str(changed.key), "requested": "approve-plan", "plan": plan}, text, as_json)


def abandon(name: Name, yes: Yes = False, as_json: Json = False) -> None:
    """Delete an environment whose infrastructure cannot be destroyed, with the Terraform state."""
    import getpass

    from bot.environments.views import display_name
    from bot.model.environment import EnvironmentState
    from bot.store.store import utc_now

    environment = with_store(load_settings("error"), lambda store: find(store, name))
    shown = display_name(environment)
    if environment.status.state is not EnvironmentState.DELETING:
        fail(f"{shown} is {environment.status.state}, so its infrastructure cannot be abandoned.", code=1)
    confirm(
        f"Abandon the infrastructure of {shown}?",
        f"What Terraform created for {shown} remains and is no longer managed: its state is deleted. "
        "Delete it by other means.",
        yes=yes,
    )
    reason = "The infrastructure was abandoned on the command line."
    _change(name, lambda overrides: replace(overrides, abandoned_at=utc_now()), reason, getpass.getuser())
    text = f"The infrastructure of {shown} is abandoned. `greenroom why '{shown}'` shows the progress."
    print_result({"environment": str(environment.key), "requested": "abandon"}, text, as_json)


def _change(
    name: str, change: Callable[[UserOverrides], UserOverrides], reason: str, user: str
) -> Environment:
    """The changed environment; exits with a message when there is none."""

    async def request(store: Store) -> Environment | None:
        environment = await find(store, name)
        return await store.environments.update_overrides(environment.key, change, reason, user)

    changed = with_store(load_settings("error"), request)
    if changed is None:
        fail(f"{name} no longer exists.", code=1)
    return changed

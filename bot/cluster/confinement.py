"""Proves that an admission policy confines the bot's writes to the namespaces of its App."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from bot.cluster.account import environment_binding, own_account
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import NAMESPACE, ROLE_BINDING, Kind
from bot.cluster.names import APP, own_labels
from bot.model.environment import EnvironmentKey
from bot.model.errors import GreenroomError

_FOREIGN = "default"
"""A namespace that every cluster has and that is not ours."""
_NO_APP = 0
_NAME = "greenroom-dry-run"
_ENVIRONMENT = EnvironmentKey.preview(0, 0)
_POLICY = "ValidatingAdmissionPolicy"
_ADVICE = "Apply deploy/base/rights.yaml and deploy/base/policy.yaml as docs/running.md describes"


class NotConfined(GreenroomError):
    """The cluster does not confine the bot's account; the message names the fix."""


async def prove_confinement(api: KubernetesApi, app_id: int) -> None:
    """Sends dry-run writes that the policy must refuse or allow. Raises NotConfined or Unavailable."""
    account = await own_account(api)
    binding = environment_binding(_FOREIGN, _ENVIRONMENT, account)
    binding["metadata"]["name"] = _NAME
    refused = (
        (ROLE_BINDING, binding, f"rights in the namespace {_FOREIGN}"),
        (NAMESPACE, _namespace(_NO_APP), "a namespace of another App"),
    )
    for kind, body, gained in refused:
        if not await _is_refused(api, kind, body):
            raise NotConfined(
                f"The cluster does not confine Greenroom to its own namespaces: it may create {gained}. "
                f"{_ADVICE}. The policy must name {account['name']} in the namespace {account['namespace']}."
            )
    if await _is_refused(api, NAMESPACE, _namespace(app_id)):
        raise NotConfined(
            f"The admission policy does not allow namespaces of the GitHub App {app_id}. "
            "Set its variable `app` to GREENROOM_GITHUB_APP_ID as docs/running.md describes."
        )


async def await_confinement(api: KubernetesApi, app_id: int, seconds: float) -> None:
    """Like `prove_confinement`, but waits for a policy that is about to take effect."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            await prove_confinement(api, app_id)
        except NotConfined:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)
        else:
            return


async def _is_refused(api: KubernetesApi, kind: Kind, body: dict[str, Any]) -> bool:
    """Whether the policy refuses to create the object. NotConfined when something else does."""
    try:
        await api.create(kind, body, dry_run=True)
    except Refused as error:
        if _POLICY in error.detail:
            return True
        if error.already_exists:
            return False
        raise NotConfined(f"The admission policy cannot be tested: {error} {_ADVICE}.") from None
    return False


def _namespace(app_id: int) -> dict[str, Any]:
    labels = {
        **own_labels(_ENVIRONMENT),
        APP: str(app_id),
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    return {
        "apiVersion": NAMESPACE.api_version,
        "kind": NAMESPACE.name,
        "metadata": {"name": _NAME, "labels": labels},
    }

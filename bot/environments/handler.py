"""Takes up the work on an environment: a preview follows its pull request, a stage its promotions."""

from __future__ import annotations

from datetime import datetime

import structlog

from bot.environments.context import Policy, Ports, ReconcileContext
from bot.environments.preview_reconciler import PreviewReconciler
from bot.environments.stage_reconciler import StageReconciler
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.work import Claim


class EnvironmentHandler:
    """The handler of `environment:` work."""

    def __init__(self, ports: Ports, policy: Policy) -> None:
        self._ports = ports
        self._policy = policy
        self._previews = PreviewReconciler(ports, policy)
        self._stages = StageReconciler(policy)

    async def __call__(self, claim: Claim) -> datetime | None:
        """Runs as far as it can; returns when to run again unless woken before, None when settled."""
        key = EnvironmentKey.parse(claim.key.subject)
        environment = await self._ports.environments.get(key)
        if environment is None:
            return None
        structlog.contextvars.bind_contextvars(environment=str(key), generation=environment.generation)
        context = ReconcileContext(self._ports, self._policy, claim, environment)
        return await (self._previews if key.kind is EnvironmentKind.PREVIEW else self._stages)(context)

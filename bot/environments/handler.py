"""The handler of `environment:` work: a preview follows its pull request, a stage its promotions."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from datetime import datetime

import structlog

from bot.environments.context import ReconcileContext
from bot.environments.policy import Policy
from bot.environments.port_set import EnterCluster, Ports
from bot.environments.preview_reconciler import PreviewReconciler
from bot.environments.stage_reconciler import StageReconciler
from bot.model.errors import GreenroomError, Superseded
from bot.model.work import Claim


class EnvironmentHandler:
    """`ports` are those of the default cluster; with `enter`, each environment has those of its own one."""

    def __init__(self, ports: Ports, policy: Policy, enter: EnterCluster | None = None) -> None:
        self._ports = ports
        self._policy = policy
        self._enter = enter or (lambda name: nullcontext(ports))
        self._previews = PreviewReconciler(ports, policy)
        self._stages = StageReconciler(policy)

    async def __call__(self, claim: Claim) -> datetime | None:
        """Reconciles as far as possible; returns when to run again unless woken before, None when settled.

        What was done is stored with the end of the claim, also when a service failed in between.
        """
        environment = await self._ports.environments.claimed(claim)
        if environment is None:
            return None
        key = environment.key
        structlog.contextvars.bind_contextvars(environment=str(key), generation=environment.generation)
        with ExitStack() as stack:

            def enter(cluster: str) -> Ports:
                return stack.enter_context(self._enter(cluster))

            ports = enter(environment.cluster)
            context = ReconcileContext(ports, self._policy, claim, environment, enter)
            return await self._reconcile(context)

    async def _reconcile(self, context: ReconcileContext) -> datetime | None:
        try:
            again_at = await (self._previews if context.is_preview else self._stages)(context)
        except Superseded:
            raise
        except GreenroomError:
            await context.finish()
            raise
        await context.finish()
        return again_at

"""One reconcile with its fenced writes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cached_property

import structlog

from bot.environments.port_set import Ports as Ports
from bot.environments.reconcile_state import ReconcileState
from bot.model.environment import Environment
from bot.model.quota import QueuePosition

log = structlog.get_logger()


class ReconcileContext(ReconcileState):
    """The state of one claim during its phases. Every write passes the fence of claim and generation.

    Changes are made in memory. Decisions and receipts are stored before the next outward write, since a
    crash in between could not be repaired without them; progress is stored at the end of the run, since
    repeating a phase does no harm.
    """

    @cached_property
    def _saving(self) -> asyncio.Lock:
        return asyncio.Lock()

    async def fence(self) -> None:
        """Runs before every outward write; raises Superseded when claim or generation is not current."""
        async with self._saving:  # objects are applied in parallel
            placed = self.environment.cluster != self._stored.cluster
            if self._decisions or placed or self.environment.receipt != self._stored.receipt:
                await self.save()
        environment = self.environment
        await self.ports.environments.check(self.claim, environment.key, environment.generation)

    async def save(self, *, last: bool = False) -> None:
        """Stores the record and the new decisions in one transaction."""
        environment = replace(self.environment, updated_at=self.ports.clock())
        await self.ports.environments.save(
            self.claim,
            environment,
            decisions=tuple(self._decisions),
            release=self.release,
            failure=self.failure,
            wakes_promotions=self._reported,
            caps=self.policy.caps,
            last=last,
        )
        self._mark_stored(environment)
        self.release, self.failure, self._reported = None, None, False

    async def request_slot(self) -> QueuePosition | None:
        """Stores the record and the new decisions in the transaction that assigns a slot on the cluster.

        Returns the position in the queue if no slot is free.
        """
        environment = replace(self.environment, updated_at=self.ports.clock())
        position = await self.ports.environments.admit(
            self.claim, environment, self.policy.caps, decisions=tuple(self._decisions)
        )
        self._mark_stored(environment)
        return position

    def _mark_stored(self, environment: Environment) -> None:
        name = environment.repository.full_name
        for decision in self._decisions:
            action, reason = decision.action, decision.reason
            log.info("environment changed", action=action, reason=reason, repository=name)
        self.environment = self._stored = environment
        self._decisions.clear()

    async def finish(self) -> None:
        """Stores what changed in the transaction that ends the claim."""
        if self._decisions or self.environment != self._stored:
            await self.save(last=True)

    async def report(self, *, deferrable: bool = False) -> None:
        """Brings GitHub in line with the status. A stage's promotion does that: the next save wakes it.

        Without effect for a pull request that was never read. `deferrable`: see `progress`.
        """
        if not self.is_preview:
            self._reported = True
        elif self.attempt.pull_request is not None:
            await self.ports.reporter.report(
                self.environment,
                self.pull_request,
                self.status,
                self.fence,
                self._keep_receipt,
                deferrable=deferrable,
            )
            self.mark_report_due(False)

    async def _keep_receipt(self, receipt: str) -> None:
        """Stored by the fence of the next write, and at the end of the run."""
        self.environment = replace(self.environment, receipt=receipt)

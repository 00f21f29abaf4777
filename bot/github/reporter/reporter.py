"""Makes GitHub say what is: plans the writes, makes them, remembers them. Safe to die at any point.

What is to be written is noted in the receipt, and stored, before it is sent. A run that finds a creation
noted and not answered looks for it on GitHub first, so nothing is created twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bot.environments.ports import Fence, SaveReceipt
from bot.github.client.client import Client
from bot.github.client.fields import needed_text
from bot.github.reporter.mutations import Lost, document, mutation, outcome
from bot.github.reporter.pending_writes import Entry, Kind, Receipt
from bot.github.reporter.plan import plan, preview_subject
from bot.github.reporter.plan_promotion import plan_promotion, promotion_subject
from bot.github.reporter.recovery import Recovery
from bot.github.reporter.subject import Subject, Write
from bot.model.environment import Environment, Status
from bot.model.errors import GreenroomError, Rejected, Unavailable
from bot.model.promotion import Promotion
from bot.model.pull_request import PullRequest

Planned = Callable[[Receipt], Sequence[Write]]
"""The writes that are needed while GitHub says what a receipt says."""

_ROUNDS = 2
"""The second one creates again what the first found deleted."""


@dataclass
class _Round:
    """What became of one round of writes."""

    receipt: Receipt
    lost: bool = False
    errors: list[GreenroomError] = field(default_factory=list)

    def take(self, write: Write, result: str | Lost | GreenroomError) -> None:
        if isinstance(result, str):
            # A Deployment stays known by its own id; the result is its status's.
            id = write.id if write.slot.kind is Kind.DEPLOYMENT else result
            self.receipt = self.receipt.put(write.slot, replace(write.entry, id=id))
        elif isinstance(result, Lost):
            self.receipt, self.lost = self.receipt.lose(write.slot), True
        elif isinstance(result, Rejected):
            self.refused(write, result)
        else:
            self.errors.append(result)

    def refused(self, write: Write, error: Rejected) -> None:
        """It was surely not performed, so what was to be created need not be looked for."""
        self.errors.append(error)
        if write.id is None:
            self.receipt = self.receipt.drop(write.slot)


class Reporter:
    def __init__(self, client: Client, adoption: Recovery, public_url: str) -> None:
        self._client = client
        self._adoption = adoption
        self._public_url = public_url

    async def report(
        self,
        environment: Environment,
        pull: PullRequest,
        status: Status,
        fence: Fence,
        save: SaveReceipt,
        *,
        passing: bool = False,
    ) -> None:
        """Raises what GitHub said of the writes that failed, after the others were made and remembered."""
        subject = preview_subject(environment.key, pull, self._public_url)

        def writes(receipt: Receipt) -> Sequence[Write]:
            return plan(environment.key, subject, status, receipt)

        await self._make(subject, writes, environment.receipt, fence, save, passing=passing)

    async def report_promotion(
        self,
        promotion: Promotion,
        pull: PullRequest | None,
        receipt: str,
        fence: Fence,
        save: SaveReceipt,
        *,
        passing: bool = False,
    ) -> None:
        """The same for a promotion's comment and Deployment; without a pull request for the latter alone."""
        subject = promotion_subject(promotion, pull, self._public_url)

        def writes(receipt: Receipt) -> Sequence[Write]:
            return plan_promotion(subject, promotion, receipt)

        await self._make(subject, writes, receipt, fence, save, passing=passing)

    async def _make(
        self,
        subject: Subject,
        planned: Planned,
        known: str,
        fence: Fence,
        save: SaveReceipt,
        *,
        passing: bool,
    ) -> None:
        receipt = Receipt.parse(known)
        if receipt.unknown:
            receipt = await self._adoption.adopt(subject, receipt)
        for _ in range(_ROUNDS):
            writes = planned(receipt)
            if not writes:
                return
            if passing:
                self._client.make_way(subject.repository.installation_id)
            done = _Round(_noted(receipt, writes))
            await save(done.receipt.dump())
            ready = await self._with_deployments(subject, writes, done, fence)
            await self._send(subject, ready, done, fence)
            receipt = done.receipt
            await save(receipt.dump())
            if done.errors:
                raise done.errors[0]
            if not done.lost:
                return

    async def _with_deployments(
        self, subject: Subject, writes: Sequence[Write], done: _Round, fence: Fence
    ) -> Sequence[Write]:
        """The writes that can go into the document, after the Deployments that they need were created."""
        ready = []
        for write in writes:
            if write.slot.kind is not Kind.DEPLOYMENT or write.id is not None:
                ready.append(write)
                continue
            try:
                created = await self._create_deployment(subject, write, fence)
            except Rejected as error:
                done.refused(write, error)
            else:
                # Known from now on, whatever becomes of the document.
                done.receipt = done.receipt.put(write.slot, replace(created.entry, digest=""))
                ready.append(created)
        return ready

    async def _send(self, subject: Subject, writes: Sequence[Write], done: _Round, fence: Fence) -> None:
        if not writes:
            return
        mutations = [mutation(subject, write) for write in writes]
        text, variables = document(mutations)
        installation = subject.repository.installation_id
        try:
            executed = await self._client.graphql(installation, text, variables, fence)
        except Unavailable as error:
            done.errors.append(error)
            return
        except Rejected as error:
            for write in writes:
                done.refused(write, error)
            return
        for index, (write, (one, _)) in enumerate(zip(writes, mutations, strict=True)):
            done.take(write, outcome(write, one, index, executed))

    async def _create_deployment(self, subject: Subject, write: Write, fence: Fence) -> Write:
        repository = subject.repository
        body = {
            "ref": write.slot.commit,
            "environment": subject.deployment_environment,
            "description": subject.deployment_description,
            "payload": {"greenroom": subject.name},
            "auto_merge": False,
            "required_contexts": [],
            "transient_environment": subject.transient,
            "production_environment": False,
        }
        path = f"/repos/{repository.full_name}/deployments"
        reply = await self._client.post(repository.installation_id, path, body, fence)
        return replace(write, id=needed_text(reply.json(), "node_id"))


def _noted(receipt: Receipt, writes: Sequence[Write]) -> Receipt:
    """From now on it is not known what GitHub says there."""
    for write in writes:
        receipt = receipt.put(write.slot, Entry(write.id, "", True, write.url))
    return receipt

"""Reconciles check runs, Deployment and comment with a status; safe against crashes.

The receipt is stored with the planned writes before they are sent. A run that finds an unconfirmed creation
in it searches GitHub first, so no object is created twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bot.environments.ports import Fence, SaveReceipt
from bot.github.client.github_client import GitHubClient
from bot.github.client.json_fields import required_text
from bot.github.reporter.mutations import Deleted, document, mutation, outcome
from bot.github.reporter.pending_writes import Receipt, ReceiptEntry, WriteKind
from bot.github.reporter.plan import plan, preview_subject
from bot.github.reporter.plan_promotion import plan_promotion, promotion_subject
from bot.github.reporter.recovery import Recovery
from bot.github.reporter.subject import Subject, Write
from bot.model.environment import Environment, Status
from bot.model.errors import Deferred, GreenroomError, Rejected, Unavailable
from bot.model.promotion import Promotion
from bot.model.pull_request import PullRequest
from bot.promotions.pipeline import first_stages

PlanWrites = Callable[[Receipt], Sequence[Write]]
"""Plans the writes, given the state of GitHub that a receipt describes."""

_UNKNOWN = datetime.min.replace(tzinfo=UTC)
_ROUNDS = 2
"""The second round recreates objects that the first one found deleted."""


@dataclass
class _WriteRound:
    """Results of one round of writes."""

    receipt: Receipt
    has_begun: bool = False
    """Whether a write was sent: the others follow without waiting for another turn."""
    has_deleted: bool = False
    errors: list[GreenroomError] = field(default_factory=list)

    def record(self, write: Write, result: str | Deleted | GreenroomError) -> None:
        if isinstance(result, str):
            # The result is the id of the Deployment's status.
            id = write.id if write.slot.kind is WriteKind.DEPLOYMENT else result
            self.receipt = self.receipt.with_entry(write.slot, replace(write.entry, id=id))
        elif isinstance(result, Deleted):
            self.receipt, self.has_deleted = self.receipt.without_deleted(write.slot), True
        elif isinstance(result, Rejected):
            self.record_rejection(write, result)
        else:
            self.errors.append(result)

    def record_rejection(self, write: Write, error: Rejected) -> None:
        """The write was not executed, so a creation need not be searched for."""
        self.errors.append(error)
        if write.id is None:
            self.receipt = self.receipt.without(write.slot)


class Reporter:
    """Reports environments and promotions on GitHub."""

    def __init__(
        self,
        client: GitHubClient,
        recovery: Recovery,
        public_url: str,
        preview_environment: str,
        complete_since: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._recovery = recovery
        self._public_url = public_url
        self._preview_environment = preview_environment
        self._complete_since = complete_since

    async def report(
        self,
        environment: Environment,
        pull: PullRequest,
        status: Status,
        fence: Fence,
        save: SaveReceipt,
        *,
        deferrable: bool = False,
    ) -> None:
        """Raises the first error after all other writes were executed and stored."""
        subject = preview_subject(environment.key, pull, self._public_url, self._preview_environment)

        configuration = environment.attempt.configuration
        stage = next(iter(first_stages(configuration)), None) if configuration is not None else None

        def writes(receipt: Receipt) -> Sequence[Write]:
            return plan(environment.key, subject, status, receipt, stage)

        opened_at = pull.created_at or _UNKNOWN
        await self._reconcile(
            subject, writes, environment.receipt, fence, save, since=opened_at, deferrable=deferrable
        )

    async def report_promotion(
        self,
        promotion: Promotion,
        pull: PullRequest | None,
        receipt: str,
        fence: Fence,
        save: SaveReceipt,
        *,
        deferrable: bool = False,
        ends: bool = False,
    ) -> None:
        """Reports a promotion: comment and Deployment, or only the Deployment without a pull request.

        `ends`: the promotion has ended since its last report.
        """
        subject = promotion_subject(promotion, pull, self._public_url)

        def writes(receipt: Receipt) -> Sequence[Write]:
            return plan_promotion(subject, promotion, receipt)

        await self._reconcile(
            subject,
            writes,
            receipt,
            fence,
            save,
            since=promotion.requested_at,
            deferrable=deferrable,
            ends=ends,
        )

    async def _reconcile(
        self,
        subject: Subject,
        plan_writes: PlanWrites,
        stored_receipt: str,
        fence: Fence,
        save: SaveReceipt,
        *,
        since: datetime,
        deferrable: bool,
        ends: bool = False,
    ) -> None:
        """`since`: when the first object of the subject can have been created.

        `ends`: no later report equals an earlier one, so updates need no record before they are sent: after
        a killed run they are sent again.
        """
        receipt = Receipt.parse(stored_receipt)
        if receipt.unconfirmed:
            receipt = await self._recovery.recover(subject, receipt)
        for _ in range(_ROUNDS):
            writes = plan_writes(receipt)
            created = [write for write in writes if write.id is None]
            if created and since < self._complete_since():  # another store may have created them
                receipt = await self._recovery.recover(subject, _mark_unconfirmed(receipt, created))
                writes = plan_writes(receipt)
            if not writes:
                return
            if deferrable:
                self._client.require_write_capacity(subject.repository.installation_id)
            done = _WriteRound(_mark_unconfirmed(receipt, writes))
            if created or not ends:
                await save(done.receipt.dump())
            try:
                ready = await self._with_deployments(subject, writes, done, fence)
                await self._send(subject, ready, done, fence)
            except Deferred:
                await save(receipt.dump())  # nothing was sent
                raise
            receipt = done.receipt
            await save(receipt.dump())
            if done.errors:
                raise done.errors[0]
            if not done.has_deleted:
                return

    async def _with_deployments(
        self, subject: Subject, writes: Sequence[Write], done: _WriteRound, fence: Fence
    ) -> Sequence[Write]:
        """Creates missing Deployments; returns the writes that can be sent in one document."""
        ready: list[Write] = []
        for write in writes:
            if write.slot.kind is not WriteKind.DEPLOYMENT or write.id is not None:
                ready.append(write)
                continue
            try:
                created = await self._create_deployment(subject, write, fence)
                done.has_begun = True
            except Rejected as error:
                done.record_rejection(write, error)
            else:
                # Stored even if the document fails.
                done.receipt = done.receipt.with_entry(write.slot, replace(created.entry, digest=""))
                ready.append(created)
        return ready

    async def _send(self, subject: Subject, writes: Sequence[Write], done: _WriteRound, fence: Fence) -> None:
        if not writes:
            return
        mutations = [mutation(subject, write) for write in writes]
        text, variables = document(mutations)
        installation = subject.repository.installation_id
        try:
            executed = await self._client.graphql(
                installation, text, variables, fence, writer=subject.name, continues=done.has_begun
            )
        except Unavailable as error:
            if isinstance(error, Deferred) and not done.has_begun:
                raise
            done.errors.append(error)
            return
        except Rejected as error:
            for write in writes:
                done.record_rejection(write, error)
            return
        for index, (write, (sent, _)) in enumerate(zip(writes, mutations, strict=True)):
            done.record(write, outcome(write, sent, index, executed))

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
        reply = await self._client.post(repository.installation_id, path, body, fence, writer=subject.name)
        return replace(write, id=required_text(reply.json(), "node_id"))


def _mark_unconfirmed(receipt: Receipt, writes: Sequence[Write]) -> Receipt:
    """The receipt with the writes as unconfirmed."""
    for write in writes:
        receipt = receipt.with_entry(write.slot, ReceiptEntry(write.id, "", True, write.url))
    return receipt

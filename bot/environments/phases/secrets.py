"""Secrets that exist only with the namespace: issued credentials, and what controllers make there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from bot.environments.context import ReconcileContext
from bot.environments.leases import extended, plan_leases, renewal_time
from bot.environments.outcome import Done, Failed, Outcome
from bot.environments.reasons import ObjectFailed, ObjectWaiting
from bot.environments.secret_ports import CredentialIssuer, SecretObjects
from bot.environments.secret_reasons import (
    CredentialsIssued,
    CredentialsLeft,
    PlainSecretReason,
    SecretsRotated,
    SecretsUnavailable,
)
from bot.environments.secrets import rotated, unusable
from bot.environments.waiting import RETRY_OUTAGE
from bot.model.environment import Phase
from bot.model.errors import GreenroomError, Rejected, Unavailable
from bot.model.manifest import Condition, Wave
from bot.model.secret import Lease, SecretRecord, keyed_digest

log = structlog.get_logger()

CREDENTIALS, EXTERNAL = "credentials", "external"
"""Under these names an attempt records the keyed digests of values that no earlier phase can know.

The objects depend on them: when they change, the phases run again from the start.
"""
_OUTAGE = timedelta(minutes=55)
"""How much longer than for the namespace a controller may take: its provider may be down."""
_REVOCATION = timedelta(hours=1)
"""How long a deletion waits for a secret manager that does not answer."""


async def issue_credentials(context: ReconcileContext) -> Outcome:
    """Renews and issues credentials, and adds their values to those that are injected."""
    issuer, objects = context.ports.credentials, context.ports.secret_objects
    if issuer is None or objects is None:
        return Done()
    try:
        return await _issue(context, issuer, objects)
    except Rejected as error:
        # The owner of the secrets can fix it without a push.
        names = tuple(sorted(context.secrets.dynamic))
        return Failed(SecretsUnavailable(names), final=False, detail=f"{error}.")


async def _issue(context: ReconcileContext, issuer: CredentialIssuer, objects: SecretObjects) -> Outcome:
    before = await objects.leases(context.namespace)
    if context.from_fork and before:  # no pod of a fork may see what earlier releases were given
        await _revoke(context, issuer, before)
        before = ()
    used = {reference.path for reference in context.secrets.dynamic.values()}
    plan = plan_leases(before, used, context.ports.clock())
    renewed = [extended(lease, await issuer.renew(lease), context.ports.clock()) for lease in plan.renewed]
    missing = [*plan.missing, *(lease.path for lease in renewed if lease.replaced)]
    await _keep(context, issuer, objects, before, [*plan.kept, *renewed], missing)
    current = {lease.path: lease for lease in context.late.leases if not lease.replaced}
    for lease in current.values():
        context.late.look_again(renewal_time(lease))
    return _with_credentials(context, current)


async def _keep(
    context: ReconcileContext,
    issuer: CredentialIssuer,
    objects: SecretObjects,
    before: Sequence[Lease],
    leases: Sequence[Lease],
    missing: Sequence[str],
) -> None:
    """Issues what is missing. Each is recorded in the namespace before the next, to be revoked later."""
    context.late.leases = tuple(leases)
    if context.late.leases != tuple(before):
        await _record(context, objects)
    for path in missing:
        await context.fence()
        await _uninterrupted(_issue_one(context, issuer, objects, path))
    if missing:
        context.decide("secrets", CredentialsIssued(tuple(sorted(missing))))


async def _issue_one(
    context: ReconcileContext, issuer: CredentialIssuer, objects: SecretObjects, path: str
) -> None:
    lease = await issuer.issue(path)
    recorded, context.late.leases = context.late.leases, (*context.late.leases, lease)
    try:
        await _record(context, objects)
    except GreenroomError:
        context.late.leases = recorded
        await _revoke_unrecorded(issuer, lease)
        raise


async def _revoke_unrecorded(issuer: CredentialIssuer, lease: Lease) -> None:
    """Nothing else knows it. Without an answer it ends with its time."""
    try:
        await issuer.revoke(lease)
    except GreenroomError as error:
        log.warning(
            "credentials left", path=lease.path, until=lease.expires_at.isoformat(), reason=str(error)
        )


async def _uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Completes the work before a shutdown: a request that was sent may have issued credentials."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _record(context: ReconcileContext, objects: SecretObjects) -> None:
    environment = context.environment
    await objects.keep_leases(
        context.namespace, environment.key, environment.repository, context.late.leases, context.fence
    )


def _with_credentials(context: ReconcileContext, current: dict[str, Lease]) -> Outcome:
    references = context.secrets.dynamic
    values = {name: current[ref.path].values.get(ref.field) for name, ref in references.items()}
    unknown = {
        name: f"{ref.path} issues no field {ref.field}; it has {', '.join(sorted(current[ref.path].values))}."
        for name, ref in references.items()
        if values[name] is None
    }
    issued = {name: value for name, value in values.items() if value is not None}
    if (refused := _refused({**unknown, **_problems(issued)})) is not None:
        return refused
    context.secrets = replace(context.secrets, values={**context.secrets.values, **issued})
    return _digested(context, CREDENTIALS, issued)


def _problems(values: Mapping[str, str | None]) -> Mapping[str, str]:
    """The variables with values that cannot be given to pods, with the reason; None is not text."""
    reasons = {name: unusable(value) for name, value in values.items()}
    return {name: f"{name}: {reason}." for name, reason in reasons.items() if reason}


def _refused(problems: Mapping[str, str]) -> Failed | None:
    """The owner of the secrets can fix it without a push."""
    if not problems:
        return None
    detail = "\n".join(problems.values())
    return Failed(SecretsUnavailable(tuple(sorted(problems))), final=False, detail=detail)


async def await_made_secrets(context: ReconcileContext) -> Outcome:
    """Waits for the controllers that make Secrets, and reads the values, to hide them."""
    bundle, objects = context.rendered, context.ports.secret_objects
    if not bundle.makes_secrets or objects is None:
        return Done()
    manifests = bundle.waves[Wave.CONFIGURATION]
    states = await context.ports.health.observe(context.namespace, manifests)
    secrets = await objects.made(context.namespace)
    runs = context.status.phases[Phase.NAMESPACE].finished_at is not None
    for state in states:
        if state.condition is Condition.FAILED:
            failure = ObjectFailed(state.kind, state.name, state.message)
            return Failed(failure, final=True, detail=state.detail)
        if state.condition is not Condition.READY and not (runs and state.name in secrets):
            reason = ObjectWaiting(state.kind, state.name, state.message)
            return context.wait(Phase.NAMESPACE, reason, state.detail, extra=_OUTAGE, blocked=True)
    given = secrets.get(bundle.external, {})
    requested = context.secrets.external if given else ()
    if (refused := _refused(_problems({name: given.get(name) for name in requested}))) is not None:
        return refused
    _record_external(context, given)
    hidden = [value for values in secrets.values() for value in values.values()]
    context.secrets = replace(context.secrets, generated=(*context.secrets.generated, *hidden))
    return _digested(context, EXTERNAL, dict(given))


def _record_external(context: ReconcileContext, values: Mapping[str, str]) -> None:
    """A rotation is in the timeline, without the value."""
    key, environment = context.policy.digest_key, str(context.environment.key)
    now = {
        name: SecretRecord(keyed_digest(key, [environment, name, value])) for name, value in values.items()
    }
    before = context.status.secrets
    if changed := rotated(before, now):
        context.decide("rotated", SecretsRotated(changed))
    context.update_status(replace(context.status, secrets={**before, **now}))


def _digested(context: ReconcileContext, name: str, values: object) -> Outcome:
    """Done if the objects were rendered for these values; otherwise the phases run again at once."""
    digest = keyed_digest(context.policy.digest_key, [str(context.environment.key), values]) if values else ""
    if digest == context.attempt.applied.get(name, ""):
        return Done()
    context.mark_applied(name, digest)
    return context.wait(Phase.NAMESPACE, PlainSecretReason.READ, pause=timedelta())


async def revoke_replaced(context: ReconcileContext) -> None:
    """Revokes credentials that no pod uses any more, once the environment is ready."""
    issuer, objects = context.ports.credentials, context.ports.secret_objects
    replaced = [lease for lease in context.late.leases if lease.replaced]
    if issuer is None or objects is None or not replaced:
        return
    try:
        await _revoke(context, issuer, replaced)
    except (Unavailable, Rejected) as error:
        # The environment is ready. They stay recorded, and are revoked later.
        log.warning("replaced credentials not revoked yet", environment=context.namespace, reason=str(error))
        context.late.look_again(context.ports.clock() + RETRY_OUTAGE)
        return
    context.late.leases = tuple(lease for lease in context.late.leases if not lease.replaced)
    await _record(context, objects)


async def _revoke(context: ReconcileContext, issuer: CredentialIssuer, leases: Sequence[Lease]) -> None:
    for lease in leases:
        await context.fence()
        await issuer.revoke(lease)


async def revoke_all(context: ReconcileContext, waited: timedelta) -> None:
    """Before the namespace is deleted. Raises Unavailable while the secret manager may still answer."""
    issuer, objects = context.ports.credentials, context.ports.secret_objects
    if objects is None:
        return
    for lease in await objects.leases(context.namespace):
        await context.fence()
        try:
            if issuer is None:
                raise Rejected("vault.dynamic_token_file is no longer set")
            await issuer.revoke(lease)
        except (Unavailable, Rejected) as error:
            if isinstance(error, Unavailable) and waited < _REVOCATION:
                raise
            context.decide("secrets", CredentialsLeft(lease.path, lease.expires_at, str(error)))

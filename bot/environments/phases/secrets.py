"""Secrets that exist only with the namespace: issued credentials, and what controllers make there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

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
from bot.environments.secrets import rotated
from bot.model.environment import Phase
from bot.model.errors import GreenroomError, Rejected, Unavailable
from bot.model.manifest import Condition, Wave
from bot.model.secret import Lease, SecretRecord, keyed_digest

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
    """Issues what is missing, and records all credentials in the namespace."""
    issued: list[Lease] = []
    try:
        for path in missing:
            await context.fence()
            issued.append(await issuer.issue(path))
        context.late.leases = (*leases, *issued)
        if context.late.leases != tuple(before):
            await _record(context, objects)
    except GreenroomError:
        for lease in issued:  # nothing else knows them
            await issuer.revoke(lease)
        raise
    if issued:
        context.decide("secrets", CredentialsIssued(tuple(sorted(missing))))


async def _record(context: ReconcileContext, objects: SecretObjects) -> None:
    environment = context.environment
    await objects.keep_leases(
        context.namespace, environment.key, environment.repository, context.late.leases, context.fence
    )


def _with_credentials(context: ReconcileContext, current: dict[str, Lease]) -> Outcome:
    references = context.secrets.dynamic
    unknown = {
        name: f"{ref.path} issues no field {ref.field}; it has {', '.join(sorted(current[ref.path].values))}."
        for name, ref in references.items()
        if ref.field not in current[ref.path].values
    }
    if unknown:
        detail = "\n".join(unknown.values())
        return Failed(SecretsUnavailable(tuple(sorted(unknown))), final=False, detail=detail)
    values = {name: current[ref.path].values[ref.field] for name, ref in references.items()}
    context.secrets = replace(context.secrets, values={**context.secrets.values, **values})
    return _digested(context, CREDENTIALS, values)


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
    _record_external(context, secrets.get(bundle.external, {}))
    hidden = [value for values in secrets.values() for value in values.values()]
    context.secrets = replace(context.secrets, generated=(*context.secrets.generated, *hidden))
    return _digested(context, EXTERNAL, dict(secrets.get(bundle.external, {})))


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
    await _revoke(context, issuer, replaced)
    context.late.leases = tuple(lease for lease in context.late.leases if not lease.replaced)
    await _record(context, objects)


async def _revoke(context: ReconcileContext, issuer: CredentialIssuer, leases: Sequence[Lease]) -> None:
    for lease in leases:
        await context.fence()
        await issuer.revoke(lease)


async def revoke_all(context: ReconcileContext, waited: timedelta) -> None:
    """Before the namespace is deleted. Raises Unavailable while the secret manager may still answer."""
    issuer, objects = context.ports.credentials, context.ports.secret_objects
    if issuer is None or objects is None:
        return
    for lease in await objects.leases(context.namespace):
        await context.fence()
        try:
            await issuer.revoke(lease)
        except (Unavailable, Rejected) as error:
            if isinstance(error, Unavailable) and waited < _REVOCATION:
                raise
            context.decide("secrets", CredentialsLeft(lease.path, lease.expires_at, str(error)))

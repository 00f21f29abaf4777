"""Configuration phase: parses `.greenroom.yml` and reads the secrets that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.config.loader import host_objection, parse_configuration
from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Failed, Outcome
from bot.environments.phases.secrets import CREDENTIALS, EXTERNAL
from bot.environments.placement import choose_cluster
from bot.environments.reasons import TtlLimited
from bot.environments.secret_reasons import (
    CurrentSecrets,
    ForkWithSecrets,
    SecretsRotated,
    SecretsUsed,
    SecretsWithheld,
)
from bot.environments.secrets import LateSecrets, read_secrets, rotated
from bot.environments.sleep_reasons import IdleUnknown
from bot.model.reason import Reported
from bot.model.secret import SecretRecord, secret_versions, unpinned


async def configuration(context: ReconcileContext) -> Outcome:
    text = context.attempt.configuration
    assert text is not None, "the reconciler reads it before the phases start"
    environment, target = context.environment, context.overrides.target
    context.configuration = parse_configuration(text, context.policy.largest_size)
    if target is not None:
        objection = host_objection(
            context.configuration, text, environment.key, environment.repository, context.policy.hosts
        )
        if objection is not None:
            return Failed(Reported(f"{objection}."), final=True)
    context.update_status(replace(context.status, notes=(), manifest_notes=()))
    chosen = choose_cluster(context)
    if chosen is not None:
        return chosen
    ttl, longest = context.configuration.preview.ttl, context.policy.longest_ttl
    if ttl is not None and ttl > longest and target is None:
        context.add_note(TtlLimited(ttl, longest))
    _note_sleep(context)
    references = context.section.secrets
    if references and context.from_fork and target is not None:
        return Failed(ForkWithSecrets(tuple(sorted(references))), final=True)
    if references and context.from_fork:
        context.add_note(SecretsWithheld(tuple(sorted(references))))
        return Done()
    ports, applied = context.ports, context.attempt.applied
    secrets = await read_secrets(
        ports.secrets,
        references,
        environment.repository,
        environment.key,
        context.policy.digest_key,
        late=LateSecrets(
            ports.external, ports.credentials, applied.get(CREDENTIALS, ""), applied.get(EXTERNAL, "")
        ),
    )
    if isinstance(secrets, Failed):
        return secrets
    context.secrets = secrets
    _record(context, secrets.records)
    if unpinned(context.status.secrets):
        # No event reports a rotation.
        context.late.look_again(context.ports.clock() + context.policy.secrets_interval)
    return Done()


def _note_sleep(context: ReconcileContext) -> None:
    """A preview whose requests are not counted cannot be idle."""
    cluster, metrics = context.environment.cluster, context.ports.metrics
    counted = metrics is not None and metrics.counts_requests(cluster)
    if context.is_preview and context.loaded_configuration.preview.sleep_after and not counted:
        context.add_note(IdleUnknown("" if cluster == context.policy.clusters.default else cluster))


def _record(context: ReconcileContext, read: Mapping[str, SecretRecord]) -> None:
    """Decisions and notes about versions, for the timeline: no event reports a rotation."""
    before, target = context.status.secrets, context.overrides.target
    late = (*context.secrets.external, *context.secrets.dynamic)
    records = {**{name: before.get(name, SecretRecord()) for name in late}, **read}
    if not before and records and target is not None:
        context.decide("secrets", SecretsUsed(secret_versions(records)))
    elif changed := rotated(before, read):
        context.decide("rotated", SecretsRotated(changed))
    context.update_status(replace(context.status, secrets=records))
    if target is not None and target.rollback and (current := unpinned(records)):
        context.add_note(CurrentSecrets(current))

"""Configuration phase: parses `.greenroom.yml` and reads the secrets that it names."""

from __future__ import annotations

from dataclasses import replace

from bot.config.loader import host_objection, parse_configuration
from bot.environments.context import ReconcileContext
from bot.environments.outcome import Done, Failed, Outcome
from bot.environments.placement import choose_cluster
from bot.environments.reasons import ForkWithSecrets, SecretsWithheld, TtlLimited
from bot.environments.secrets import read_secrets
from bot.environments.sleep_reasons import IdleUnknown
from bot.model.reason import Reported


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
    secrets = await read_secrets(
        context.ports.secrets, references, environment.repository, environment.key, context.policy.digest_key
    )
    if isinstance(secrets, Failed):
        return secrets
    context.secrets = secrets
    return Done()


def _note_sleep(context: ReconcileContext) -> None:
    """A preview whose requests are not counted cannot be idle."""
    cluster, metrics = context.environment.cluster, context.ports.metrics
    counted = metrics is not None and metrics.counts_requests(cluster)
    if context.is_preview and context.loaded_configuration.preview.sleep_after and not counted:
        context.add_note(IdleUnknown("" if cluster == context.policy.clusters.default else cluster))

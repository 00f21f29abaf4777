"""What the last successful deployment of a stage applied: rendered again from its immutable target."""

from __future__ import annotations

from cachetools import LRUCache

from bot.config.loader import parse_configuration
from bot.environments.context import Ports, ReconcileContext
from bot.environments.outcome import Failed
from bot.environments.phase_runner import RenderInputs
from bot.environments.phases.configuration import configuration
from bot.environments.phases.drain import is_draining
from bot.environments.phases.infrastructure import read_outputs
from bot.environments.phases.namespace import fill_generated
from bot.environments.phases.render import render
from bot.environments.policy import Policy
from bot.infrastructure.drift.inventory import Declared, name_of
from bot.infrastructure.drift.ports import LiveObjects
from bot.model.environment import Environment, Phase
from bot.model.errors import Rejected
from bot.model.manifest import Bundle, Wave
from bot.model.work import Claim

_KEPT = (Wave.CONFIGURATION, Wave.DATA, Wave.WORKLOADS, Wave.ROUTE)
"""Waves whose objects stay. Hooks and Jobs that change data come and go."""
_MAX_BUNDLES = 64


def is_deployed(environment: Environment) -> bool:
    """Whether the current target was deployed completely, whatever happened to it since."""
    status, target = environment.status, environment.overrides.target
    phases = set(Phase) - {Phase.INFRASTRUCTURE} | set(status.phases)
    finished = all(
        phase in status.phases and status.phases[phase].finished_at is not None for phase in phases
    )
    is_current = environment.observed_generation == environment.generation
    settled = status.end is None and not is_draining(environment.attempt)
    return target is not None and is_current and finished and settled


class DeclaredObjects:
    """Renders with the phases of the deployment, without any write; caches bundles."""

    def __init__(self, ports: Ports, policy: Policy, live_objects: LiveObjects) -> None:
        self._ports = ports
        self._policy = policy
        self._live_objects = live_objects
        self._bundles: LRUCache[RenderInputs, Bundle] = LRUCache(_MAX_BUNDLES)

    async def read(self, claim: Claim, environment: Environment) -> Declared:
        """Raises Rejected or Unavailable for what cannot be read or rendered."""
        target = environment.overrides.target
        assert target is not None, "only a deployed environment is compared"
        context = ReconcileContext(self._ports, self._policy, claim, environment, lambda _: self._ports)
        context.configuration = parse_configuration(target.configuration, self._policy.largest_size)
        outcome = await configuration(context)
        if not isinstance(outcome, Failed):
            outcome = await read_outputs(context) or outcome
        if not isinstance(outcome, Failed):
            context.bundle = self._bundles.get(RenderInputs.of(context))
            outcome = await render(context)
        if isinstance(outcome, Failed):
            raise Rejected(context.describe(outcome.reason), outcome.detail)
        self._bundles[RenderInputs.of(context)] = context.rendered
        await fill_generated(context)
        bundle, secrets = context.rendered, context.secrets
        objects = [manifest for wave in _KEPT for manifest in bundle.waves.get(wave, ())]
        if secrets.values:
            objects.append(
                await self._live_objects.injected(
                    environment.namespace, environment.key, environment.repository, secrets.values
                )
            )
        rails = await self._live_objects.guard_rails(
            environment.namespace,
            environment.key,
            environment.repository,
            context.size,
            fork=context.from_fork,
        )
        others = [manifest for wave in bundle.waves.values() for manifest in wave]
        names = {name_of(manifest) for manifest in (*others, *bundle.checks.values())}
        return Declared((*rails, *objects), frozenset((*names, *self._live_objects.kept(bundle))))

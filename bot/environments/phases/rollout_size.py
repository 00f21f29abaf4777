"""The number of pods of both revisions, before traffic moves to one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.environments.context import ReconcileContext
from bot.environments.rollouts.ports import RolloutDriver
from bot.model.manifest import CANDIDATE_HEADER, Bundle, CandidateRequest
from bot.model.rollout import Rollout


async def missing_pods(
    context: ReconcileContext, driver: RolloutDriver, bundle: Bundle, current: Rollout
) -> Mapping[str, int]:
    """The pods by Deployment that the candidate needs for its next share, if it has fewer."""
    stable = await driver.stable(context.namespace, bundle)
    needed = stable.pods_for(current.weight)
    return {name: pods for name, pods in needed.items() if pods > current.replicas.get(name, 1)}


async def prepare_finish(
    context: ReconcileContext, driver: RolloutDriver, bundle: Bundle, current: Rollout
) -> Rollout:
    """Gives the stable revision, which gets the traffic back, as many pods as the candidate.

    Where the quota has no room for both, it keeps its own size.
    """
    size = await driver.candidate_size(context.namespace, bundle, current.suffix)
    replicas = {name: max(pods, size.get(name, 0)) for name, pods in current.replicas.items()}
    header = (CANDIDATE_HEADER, current.token)
    request = CandidateRequest(current.suffix, header, replicas, len(current.report.results))
    both = await driver.candidate(context.namespace, driver.at_size(bundle, replicas), request)
    if both.requests is not None and both.requests.excess(context.size):
        replicas = dict(current.replicas)
    await driver.keep_size(context.namespace, replicas, context.fence)
    return replace(current, replicas=replicas)

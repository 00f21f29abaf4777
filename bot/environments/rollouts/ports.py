"""What a rollout needs of the cluster, of metrics and of its promotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bot.environments.ports import Fence
from bot.model.environment import EnvironmentKey
from bot.model.manifest import Bundle, CandidateRequest, Manifest, StableSide
from bot.model.repository import Repository
from bot.model.rollout import Backend, Counts, RolloutOrders


class RolloutDriver(Protocol):
    """Calls raise Unavailable when the API server does not answer, Rejected when it refuses an object."""

    async def stable(self, namespace: str, bundle: Bundle) -> StableSide:
        """The revision that serves now."""

    async def candidate(self, namespace: str, bundle: Bundle, request: CandidateRequest) -> Bundle:
        """The bundle that runs the candidate beside the stable revision."""

    def backends(self, bundle: Bundle) -> Sequence[Backend]:
        """The Services behind the routes, of which the candidate has its own."""

    def candidate_backends(self, bundle: Bundle, suffix: str) -> Sequence[Backend]:
        """The candidate's Services in place of them."""

    def untracked(self, objects: Sequence[Manifest]) -> Sequence[Manifest]:
        """The objects with selectors that also match pods without the label of a side."""

    async def weights(self, namespace: str, bundle: Bundle, suffix: str) -> set[int]:
        """The candidate's shares of the traffic in all rules of all routes, in percent."""

    async def shift(self, namespace: str, bundle: Bundle, suffix: str, weight: int, fence: Fence) -> None:
        """Gives the candidate this share of the traffic. If a route cannot be changed, all return."""

    async def candidate_size(self, namespace: str, bundle: Bundle, suffix: str) -> Mapping[str, int]:
        """The pods of the candidate by the name of the stable Deployment."""

    def at_size(self, bundle: Bundle, replicas: Mapping[str, int]) -> Bundle:
        """The bundle whose autoscaled Deployments have at least these numbers of pods."""

    async def keep_size(self, namespace: str, replicas: Mapping[str, int], fence: Fence) -> None:
        """Keeps autoscalers from shrinking the stable Deployments below these numbers of pods."""

    async def withdraw(self, namespace: str, fence: Fence) -> None:
        """Returns all traffic to the stable revision, whatever candidate has some.

        Changes each route that can be changed before it raises an error.
        """

    async def changed(self, namespace: str, bundle: Bundle) -> Sequence[Manifest]:
        """The candidate's objects in the bundle that another client changed or deleted."""

    async def leftovers(self, namespace: str, suffix: str = "") -> Sequence[Manifest]:
        """The objects of candidates without traffic other than the one with this suffix."""


class MetricsReader(Protocol):
    async def read(self, namespace: str, backends: Sequence[Backend]) -> Mapping[str, Counts]:
        """The counters of requests to these Services by source; each starts at 0 with its source.

        Raises Unavailable when the provider does not answer, or not with counters.
        """


class MetricsProviders(Protocol):
    """The metrics providers that the operator configured."""

    def counts_requests(self, cluster: str) -> bool:
        """Whether the gateway of the cluster counts the requests to previews."""

    def names(self, repository: Repository, cluster: str) -> Sequence[str]:
        """The providers that the repository may choose for stages on the cluster."""

    def reader(self, name: str | None, repository: Repository, cluster: str) -> MetricsReader | None:
        """The provider of this name; without a name the default one. None if there is none."""


class OrderReader(Protocol):
    async def rollout_orders(self, stage: EnvironmentKey) -> RolloutOrders:
        """What users requested of the stage's active promotion."""

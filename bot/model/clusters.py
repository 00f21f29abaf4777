"""Which repositories and kinds of environments may use which cluster."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.environment import DEFAULT_CLUSTER, EnvironmentKind
from bot.model.repository import EVERY_REPOSITORY, Repository


@dataclass(frozen=True, slots=True)
class ClusterGrant:
    """Who may use one cluster."""

    name: str
    repositories: tuple[str, ...] = (EVERY_REPOSITORY,)
    """`OWNER/NAME` and `OWNER/*` in lower case, or `*` for all."""
    kinds: frozenset[EnvironmentKind] = frozenset(EnvironmentKind)

    def covers(self, repository: Repository, kind: EnvironmentKind) -> bool:
        return kind in self.kinds and repository.is_among(self.repositories)


@dataclass(frozen=True, slots=True)
class NotGranted:
    """A repository may not use a cluster for this kind of environment, or there is no such cluster."""

    cluster: str
    """The named cluster; "" when none is named and the default one is not granted."""
    granted: tuple[str, ...]
    """The clusters that the repository may use. Others are not revealed."""
    kind: EnvironmentKind


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a stage is to run, and where it runs."""

    cluster: str
    present: str = ""
    """ "" while nothing runs."""

    @property
    def moves(self) -> bool:
        return self.present not in ("", self.cluster)


@dataclass(frozen=True, slots=True)
class ClusterGrants:
    """The grants of all clusters; the first one is of the default cluster."""

    clusters: tuple[ClusterGrant, ...] = (ClusterGrant(DEFAULT_CLUSTER),)

    @property
    def default(self) -> str:
        return self.clusters[0].name

    def granted(self, repository: Repository, kind: EnvironmentKind) -> tuple[str, ...]:
        return tuple(cluster.name for cluster in self.clusters if cluster.covers(repository, kind))

    def choose(self, repository: Repository, kind: EnvironmentKind, named: str | None) -> str | NotGranted:
        """The cluster that `.greenroom.yml` names, or else the default one."""
        granted = self.granted(repository, kind)
        cluster = named or self.default
        return cluster if cluster in granted else NotGranted(named or "", granted, kind)


ONE_CLUSTER = ClusterGrants()
"""Without a file of clusters: one, for everything."""

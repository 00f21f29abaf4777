"""The operator's settings for environments."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.model.clusters import ONE_CLUSTER, ClusterGrants
from bot.model.hosts import NO_HOSTS, HostGrants
from bot.model.quota import Caps
from bot.model.size import Size

_SIZE = Size()
_NO_CAPS = Caps()


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Upper bounds for the environments of one cluster."""

    largest: Size
    fork: Size


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's settings for all repositories."""

    default_ttl: timedelta = timedelta(days=3)
    longest_ttl: timedelta = timedelta(days=14)
    caps: Caps = _NO_CAPS
    default_size: Size = _SIZE
    largest_size: Size = _SIZE
    fork_size: Size = _SIZE
    """The limit for forks, regardless of their configuration."""
    hosts: HostGrants = NO_HOSTS
    """The stages that may have their own host."""
    clusters: ClusterGrants = ONE_CLUSTER
    """Who may use which cluster."""
    sizes: Mapping[str, SizeLimits] = field(default_factory=dict)
    """Limits of sizes by cluster."""
    wakes_by_request: bool = False
    """Whether requests for the address of a sleeping preview of the default cluster wake it."""
    secrets_interval: timedelta = timedelta(minutes=1)
    """How often secrets are read again that can be rotated."""
    digest_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Key of the digest that shows whether secrets changed."""

    def limited(self, size: Size, cluster: str, *, fork: bool) -> Size:
        """The size within the bounds of the cluster, and within those for code of a fork."""
        limits = self.sizes.get(cluster)
        if limits is not None:
            size = size.within(limits.largest)
        return size.within(limits.fork if limits is not None else self.fork_size) if fork else size

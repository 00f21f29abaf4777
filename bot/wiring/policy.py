"""The limits that the settings give to environments."""

from __future__ import annotations

from bot.environments.policy import Policy
from bot.model.quota import Caps
from bot.settings import Settings
from bot.wiring.dependencies import Dependencies


def policy(dependencies: Dependencies) -> Policy:
    settings = dependencies.settings
    return Policy(
        default_ttl=settings.default_ttl,
        longest_ttl=settings.longest_ttl,
        caps=caps(settings),
        default_size=settings.default_size.within(settings.largest_size),
        largest_size=settings.largest_size,
        fork_size=settings.fork_size,
        hosts=dependencies.host_grants,
        clusters=dependencies.clusters.grants,
        sizes=dependencies.clusters.sizes,
        wakes_by_request=settings.waker_port is not None,
        secrets_interval=settings.secrets_interval,
        digest_key=settings.digest_key,
    )


def caps(settings: Settings) -> Caps:
    return Caps(
        author=settings.max_previews_per_author,
        repository=settings.max_previews_per_repository,
        installation=settings.max_previews,
        makes_room=settings.sleep_for_queued,
    )

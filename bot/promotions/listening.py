"""What environments tell the promotions."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.environment import EnvironmentKey
from bot.model.release import PromotableRelease
from bot.promotions.ports import PromotionStore, ReleaseStore


@dataclass(frozen=True, slots=True)
class Listening:
    """Fulfils the port `Promotions` of the environments."""

    promotions: PromotionStore
    releases: ReleaseStore

    async def wake(self, stage: EnvironmentKey) -> None:
        await self.promotions.wake(stage)

    async def keep(self, release: PromotableRelease) -> None:
        await self.releases.keep(release)

"""Reads the views of a repository's stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.environments.ports import Clock, ContentReader
from bot.model.environment import EnvironmentKind
from bot.model.promotion import Promotion, StageRecord
from bot.model.release import PromotableRelease
from bot.model.repository import Repository
from bot.promotions.pipeline import followers
from bot.promotions.ports import AuditReader, DriftReader, EnvironmentReader, PromotionStore, ReleaseStore
from bot.promotions.stage_lookup import StageLookup, read_stages
from bot.promotions.view_builder import stage_view
from bot.promotions.views import PipelineView, StageView

_PROMOTIONS = 10
_AUDIT = 20


@dataclass(frozen=True, slots=True)
class StageViewReader:
    promotions: PromotionStore
    environments: EnvironmentReader
    releases: ReleaseStore
    audit: AuditReader
    contents: ContentReader
    drifts: DriftReader
    clock: Clock

    async def pipeline(self, repository: Repository, commits: Sequence[str] = ()) -> PipelineView:
        """All stages, in their order, then all demos; also former ones while something runs there.

        Where the configuration cannot be read, those that were ever promoted to.
        """
        names = await read_stages(self.promotions, self.contents, repository)
        records, keys, problem = names.records, names.keys, names.unusable
        left = [
            key
            for key, record in records.items()
            if key not in keys and (record.target or problem is not None)
        ]
        stages = [
            await self._view(
                records.get(key) or StageRecord(key, repository),
                names,
                configured=key in keys or problem is not None,
            )
            for key in (*keys, *left)
        ]
        return PipelineView(tuple(stages), await self._releases_of(repository, commits), problem)

    async def stage(self, repository: Repository, name: str) -> StageView | None:
        """One stage or demo with its last promotions and audit; None when there is none of this name."""
        names = await read_stages(self.promotions, self.contents, repository)
        records, keys, problem = names.records, names.keys, names.unusable
        # A configured demo takes precedence over a former stage of the same name.
        key = next((key for key in (*keys, *records) if key.name == name), None)
        if key is None:
            return None
        record = records.get(key) or StageRecord(key, repository)
        return await self._view(record, names, configured=key in keys or problem is not None, at_length=True)

    async def _view(
        self, record: StageRecord, names: StageLookup, *, configured: bool, at_length: bool = False
    ) -> StageView:
        stages = names.configuration.stages if names.configuration is not None else {}
        unfinished = await self.promotions.find(stage=record.key, ended=False)
        last: Sequence[Promotion] = ()
        if at_length:
            last = await self.promotions.find(stage=record.key, limit=_PROMOTIONS)
        entries = (
            await self.audit.entries(record.repository.id, stage=record.name, limit=_AUDIT)
            if at_length
            else ()
        )
        environment = await self.environments.get(record.key)
        view = stage_view(
            record,
            environment,
            unfinished,
            self.clock(),
            configured=configured,
            promotions=last,
            drift=await self.drifts.get(record.key) if environment is not None else None,
            audit=entries,
        )
        if record.key.kind is not EnvironmentKind.STAGE or record.name not in stages:
            return view
        after, following = stages[record.name].after.names, followers(stages, record.name)
        return replace(view, after=tuple(after), followed_by=tuple(following))

    async def _releases_of(
        self, repository: Repository, commits: Sequence[str]
    ) -> tuple[PromotableRelease, ...]:
        releases = [await self.releases.of_commit(repository.id, commit) for commit in commits]
        return tuple(release for release in releases if release is not None)

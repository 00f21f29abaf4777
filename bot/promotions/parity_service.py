"""Compares stages: renders the files of both for the same environment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.config.fields import EnvironmentSection
from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.config.schema import Configuration
from bot.config.stages import Stage
from bot.environments.commit_files import with_files
from bot.environments.ports import ContentReader
from bot.environments.render_request import common_request
from bot.model.environment import DEFAULT_CLUSTER, EnvironmentKey
from bot.model.errors import Rejected, Unavailable
from bot.model.naming import namespace_name
from bot.model.parity import Comparable, Comparison, Difference, first_differences
from bot.model.promotion import Promotion, StageRecord
from bot.model.release import PromotableRelease, Target
from bot.model.repository import Repository
from bot.promotions.facts import ConfigurationSnapshot
from bot.promotions.parity import (
    PREVIEW,
    Side,
    comparison_key,
    differences,
    injected,
    preview_key,
    verified_with,
)
from bot.promotions.pipeline import configuration_digest, stage_in
from bot.promotions.ports import ComparableRenderers
from bot.promotions.refusals import NothingToCompare, Refusal, UnknownTarget

_MOST = 40
"""Differences that a promotion keeps."""


@dataclass(frozen=True, slots=True)
class ParityInput:
    """Release and configuration of a stage."""

    stage: str
    release: PromotableRelease
    configuration: str
    is_running: bool = True
    """False while nothing runs there: then the configuration is the default branch's."""
    cluster: str = ""
    """On which it runs; "" for the one that the configuration names."""


@dataclass(frozen=True, slots=True)
class ParityService:
    """Each stage is rendered with the rules of its own cluster."""

    contents: ContentReader
    renderers: ComparableRenderers
    default_cluster: str = DEFAULT_CLUSTER

    async def parity_inputs(
        self,
        repository: Repository,
        names: Sequence[str],
        records: Mapping[str, StageRecord],
        newest: PromotableRelease | None,
    ) -> list[ParityInput]:
        """What the stages run. For one that runs nothing: the default branch's configuration with the
        release of another stage, or else the newest release.

        Raises Refusal when there is nothing to compare.
        """
        targets = {name: records[name].target if name in records else None for name in names}
        running = [target for target in targets.values() if target is not None]
        idle = [name for name, target in targets.items() if target is None]
        text = await self._read_configuration(repository, idle, records)
        release = running[0].release if running else newest
        if release is None:
            raise Refusal(NothingToCompare(tuple(names)))
        return [
            _running(name, target)
            if (target := targets[name]) is not None
            else ParityInput(name, release, text, is_running=False)
            for name in names
        ]

    async def _read_configuration(
        self, repository: Repository, names: Sequence[str], records: Mapping[str, StageRecord]
    ) -> str:
        """The default branch's configuration, which must have all of these stages; "" for none."""
        if not names:
            return ""
        try:
            text = await self.contents.default_branch_file(repository, CONFIG_FILE)
            stages = parse_configuration(text).stages if text is not None else {}
        except (Rejected, Unavailable) as error:
            raise Refusal(NothingToCompare(tuple(names), str(error))) from None
        if text is None:
            raise Refusal(NothingToCompare(tuple(names), file_missing=True))
        for name in names:
            if name not in (*stages, PREVIEW):
                stages_known = tuple(dict.fromkeys([*stages, *records]))
                raise Refusal(UnknownTarget("stage", name, stages_known))
        return text

    async def compare(self, repository: Repository, left: ParityInput, right: ParityInput) -> Comparison:
        """All differences between both; Rejected when one of them cannot be rendered."""
        differing = await self._differences(repository, left, right)
        return replace(self._pair(left, right), differences=differing)

    def _pair(self, left: ParityInput, right: ParityInput) -> Comparison:
        """The names of both, without differences."""
        clusters = [self._cluster(side) for side in (left, right)]
        shown = clusters if clusters[0] != clusters[1] else ["", ""]
        return Comparison(left.stage, right.stage, left_cluster=shown[0], right_cluster=shown[1])

    def _cluster(self, side: ParityInput) -> str:
        try:
            named = side.cluster or _section(side)[1].cluster
        except Rejected:  # the comparison reports it
            named = None
        return named or self.default_cluster

    async def _differences(
        self, repository: Repository, left: ParityInput, right: ParityInput
    ) -> tuple[Difference, ...]:
        place = EnvironmentKey.stage(repository.id, right.stage)
        namespace = namespace_name(place, repository)
        if right.stage != PREVIEW:
            namespace = stage_in(right.configuration, right.stage).namespace or namespace
        where = {"environment": place, "repository": repository, "namespace": namespace}
        # Sequential: concurrent reads of one commit would download it twice.
        sides = [await self._side(repository, side, where) for side in (left, right)]
        return await asyncio.to_thread(differences, *sides)

    async def _side(self, repository: Repository, side: ParityInput, where: Mapping[str, Any]) -> Side:
        configuration, section = _section(side)
        if side.stage == PREVIEW:
            own = configuration.manifests_of(EnvironmentKey.preview(repository.id, 0))
            configuration = configuration.model_copy(update={"manifests": own})
        renderer = self.renderers(self._cluster(side))

        async def comparable(files: Mapping[str, bytes]) -> Comparable:
            release = side.release
            request = common_request(
                configuration, commit=release.commit, images=release.images, files=files, **where
            )
            return await renderer.comparable(request)

        compared = await with_files(self.contents, repository, side.release.commit, configuration, comparable)
        return Side(compared, injected(section))

    async def compare_with_previous(
        self,
        promotion: Promotion,
        stage: Stage,
        release: PromotableRelease,
        snapshot: ConfigurationSnapshot,
        records: Mapping[str, StageRecord],
    ) -> tuple[Comparison, ...]:
        """Comparisons with the previous stages; those that the promotion holds are not made again."""
        name = promotion.stage.name
        before = verified_with(stage.after, records, release.id)
        digest = configuration_digest(snapshot.configuration, name)
        existing = {comparison.compared_key: comparison for comparison in promotion.parity}
        right, most = ParityInput(name, release, snapshot.text), _MOST // max(len(before), 1)
        comparisons = []
        for other, target in before.items():
            key = comparison_key(release.id, digest, other, target)
            left = _running(other, target)
            comparisons.append(
                existing.get(key) or await self._comparison(promotion.repository, left, right, key, most)
            )
        return tuple(comparisons)

    async def compare_with_preview(
        self, promotion: Promotion, release: PromotableRelease, snapshot: ConfigurationSnapshot
    ) -> tuple[Comparison, ...]:
        """The comparison of a first stage with previews, if `preview.manifests` changes these."""
        if snapshot.configuration.preview.manifests is None:
            return ()
        key = preview_key(release.id, snapshot.text)
        existing = next((former for former in promotion.parity if former.compared_key == key), None)
        left = ParityInput(PREVIEW, release, snapshot.text)
        right = ParityInput(promotion.stage.name, release, snapshot.text)
        return (existing or await self._comparison(promotion.repository, left, right, key, _MOST),)

    async def _comparison(
        self, repository: Repository, left: ParityInput, right: ParityInput, key: str, most: int
    ) -> Comparison:
        try:
            compared = await self.compare(repository, left, right)
        except Rejected as error:
            return replace(self._pair(left, right), unknown=str(error).rstrip("."), compared_key=key)
        first, more = first_differences(compared.differences, most)
        return replace(compared, differences=first, more=more, compared_key=key)


def _running(stage: str, target: Target) -> ParityInput:
    return ParityInput(stage, target.release, target.configuration, cluster=target.cluster)


def _section(side: ParityInput) -> tuple[Configuration, EnvironmentSection]:
    configuration = parse_configuration(side.configuration)
    if side.stage == PREVIEW:
        return configuration, configuration.preview
    return configuration, stage_in(side.configuration, side.stage)

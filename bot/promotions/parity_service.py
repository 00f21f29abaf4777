"""Compares stages: reads the files of what they run, and renders both for one and the same place."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.config.stages import Stage
from bot.environments.ports import ContentReader
from bot.environments.render_request import common_request
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import RenderRequest
from bot.model.naming import namespace_name
from bot.model.parity import Comparison, Difference, first_differences
from bot.model.promotion import Promotion, StageRecord
from bot.model.release import PromotableRelease
from bot.model.repository import Repository
from bot.promotions.facts import ConfigurationSnapshot
from bot.promotions.parity import Side, comparison_key, differences, injected, verified_with
from bot.promotions.pipeline import configuration_digest, stage_in
from bot.promotions.ports import ComparableRenderer
from bot.promotions.stage_aggregate import Refusal

_MOST = 40
"""How many differences a promotion remembers."""


@dataclass(frozen=True, slots=True)
class ParityInput:
    """What a stage runs, or would run."""

    stage: str
    release: PromotableRelease
    configuration: str
    is_running: bool = True
    """False while nothing runs there: the configuration is the default branch's."""


@dataclass(frozen=True, slots=True)
class ParityService:
    contents: ContentReader
    renderer: ComparableRenderer

    async def parity_inputs(
        self,
        repository: Repository,
        names: Sequence[str],
        records: Mapping[str, StageRecord],
        newest: PromotableRelease | None,
    ) -> list[ParityInput]:
        """What stages run now. One that runs nothing is taken as the default branch configures it, with the
        release of another one, or the newest.

        Refusal says why there is nothing to compare.
        """
        found = {name: records[name].target if name in records else None for name in names}
        runs = [target for target in found.values() if target is not None]
        text = await self._configured(repository, [name for name in names if found[name] is None], records)
        release = runs[0].release if runs else newest
        if release is None:
            raise Refusal(f"{_idle(names)}, and there is no release that could be taken.")
        return [
            ParityInput(name, target.release, target.configuration)
            if (target := found[name]) is not None
            else ParityInput(name, release, text, is_running=False)
            for name in names
        ]

    async def _configured(
        self, repository: Repository, names: Sequence[str], records: Mapping[str, StageRecord]
    ) -> str:
        """The default branch's configuration, which has all of these stages; not read for none."""
        if not names:
            return ""
        try:
            text = await self.contents.default_branch_file(repository, CONFIG_FILE)
            stages = parse_configuration(text).stages if text is not None else {}
        except (Rejected, Unavailable) as error:
            told = f"{_idle(names)}, and how it is configured cannot be told: {error}"
            raise Refusal(told) from None
        if text is None:
            raise Refusal(f"{_idle(names)}, and the default branch has no {CONFIG_FILE}.")
        for name in names:
            if name not in stages:
                known = ", ".join(dict.fromkeys([*stages, *records])) or "none"
                raise Refusal(f"There is no stage {name} (stages: {known}).")
        return text

    async def compare(
        self, repository: Repository, left: ParityInput, right: ParityInput
    ) -> tuple[Difference, ...]:
        """Rejected says why one of them cannot be rendered."""
        own = stage_in(right.configuration, right.stage)
        place = EnvironmentKey.stage(repository.id, right.stage)
        namespace = own.namespace or namespace_name(place, repository)
        commits = dict.fromkeys(each.release.commit for each in (left, right))
        # One after the other: two who ask for the same commit at once would both download it.
        files = {commit: await self.contents.files(repository, commit) for commit in commits}
        where = {"environment": place, "repository": repository, "namespace": namespace}
        requests = (_request(each, files[each.release.commit], where) for each in (left, right))
        found = await asyncio.gather(*(self.renderer.comparable(request) for request in requests))
        ours, theirs = (
            Side(comparable, injected(stage_in(each.configuration, each.stage)))
            for comparable, each in zip(found, (left, right), strict=True)
        )
        return await asyncio.to_thread(differences, ours, theirs)

    async def compare_with_previous(
        self,
        promotion: Promotion,
        stage: Stage,
        release: PromotableRelease,
        reading: ConfigurationSnapshot,
        records: Mapping[str, StageRecord],
    ) -> tuple[Comparison, ...]:
        """With what the release ran on the stages before; what the promotion knows is not read again."""
        name = promotion.stage.name
        before = verified_with(stage.after, records, release.id)
        digest = configuration_digest(reading.configuration, name)
        known = {each.compared_key: each for each in promotion.parity}
        found = []
        for other, target in before.items():
            true_of = comparison_key(release.id, digest, other, target)
            if true_of in known:
                found.append(known[true_of])
                continue
            left = ParityInput(other, target.release, target.configuration)
            right = ParityInput(name, release, reading.text)
            try:
                told = await self.compare(promotion.repository, left, right)
            except Rejected as error:
                why = str(error).rstrip(".")
                found.append(Comparison(other, name, unknown=why, compared_key=true_of))
            else:
                first, more = first_differences(told, _MOST // len(before))
                found.append(Comparison(other, name, first, more, compared_key=true_of))
        return tuple(found)


def _request(standing: ParityInput, files: Mapping[str, bytes], where: Mapping[str, Any]) -> RenderRequest:
    return common_request(
        parse_configuration(standing.configuration),
        commit=standing.release.commit,
        images=standing.release.images,
        files=files,
        **where,
    )


def _idle(names: Sequence[str]) -> str:
    """What is true of all of them."""
    return f"{' and '.join(names)} {'run' if len(names) > 1 else 'runs'} nothing yet"

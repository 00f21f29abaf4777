"""Finds the stage or demo that a name refers to, in the configuration or among stored stages."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.config.loader import CONFIG_FILE, field_line, parse_configuration
from bot.config.schema import Configuration
from bot.environments.ports import ContentReader
from bot.model.environment import EnvironmentKey
from bot.model.errors import ConfigurationError, GreenroomError, Rejected, Unavailable
from bot.model.promotion import StageRecord
from bot.model.repository import Repository
from bot.promotions.approvals import is_release_name
from bot.promotions.pipeline import in_order, unknown_target
from bot.promotions.ports import PromotionStore
from bot.promotions.refusals import ConfigurationUnusable, DemoIsPinned, NoConfiguration, Refusal

_NEAR = 0.75
_SHORTENED = 3
"""Minimal length of an abbreviated name."""


@dataclass(frozen=True, slots=True)
class StageLookup:
    """Stages and demos of a repository: configured ones and stored ones. Lookups raise Refusal."""

    repository: Repository
    records: Mapping[EnvironmentKey, StageRecord]
    """Records of every stage that ever had a promotion."""
    text: str = ""
    configuration: Configuration | None = None
    """None when the default branch has none, or it has errors or cannot be read."""
    problem: GreenroomError | None = None
    """Why it cannot be used or read."""

    @property
    def keys(self) -> Sequence[EnvironmentKey]:
        """Configured stages in pipeline order, then demos."""
        if self.configuration is None:
            return ()
        id, demos = self.repository.id, self.configuration.demo
        stages = (EnvironmentKey.stage(id, name) for name in in_order(self.configuration.stages))
        return (*stages, *(EnvironmentKey.demo(id, name) for name in demos))

    @property
    def unusable(self) -> ConfigurationUnusable | None:
        """Why there is no configuration; None where the default branch simply has no file."""
        if self.problem is None:
            return None
        return ConfigurationUnusable(str(self.problem), isinstance(self.problem, ConfigurationError))

    def configured(self, name: str) -> EnvironmentKey:
        """A configured stage, or a demo that is not pinned."""
        key = self._key_in_file(name)
        if key is None:
            raise self._unknown(name)
        self._not_pinned(key)
        return key

    def existing(self, name: str) -> EnvironmentKey:
        """A configured or stored stage: users may lock, release and abort also where it is not configured."""
        key = self._key_in_file(name) or next((key for key in self.records if key.name == name), None)
        if key is None:
            raise self._unknown(name)
        return key

    def movable(self, name: str) -> EnvironmentKey:
        """An existing stage, or a demo that is not pinned."""
        key = self.existing(name)
        self._not_pinned(key)
        return key

    def parse_target(self, words: Sequence[str], *, reasoned: bool) -> tuple[str | None, str]:
        """Stage and reason of a command's arguments.

        With `reasoned`, a first word that names no stage begins the reason, unless it is the only word or
        resembles a name: a typing error never selects another promotion.
        """
        if not words:
            return None, ""
        first, names = words[0], self._names()
        if first in names:
            return first, " ".join(words[1:])
        near = _nearest(first.lower(), names)
        if not reasoned or len(words) == 1 or near is not None or self.problem is not None:
            raise self._unknown(first, near or "")
        return None, " ".join(words)

    def parse_approval(self, words: Sequence[str]) -> tuple[str | None, str]:
        """Stage and release of an approval; each is optional."""
        if words and words[0] not in self._names() and is_release_name(words[0]):
            return None, words[0]
        stage, _ = self.parse_target(words[:1], reasoned=False)
        return stage, " ".join(words[1:])

    def _names(self) -> list[str]:
        configured = self.configuration.stages_and_demos if self.configuration is not None else ()
        return list(dict.fromkeys([*configured, *(key.name for key in self.records)]))

    def _key_in_file(self, name: str) -> EnvironmentKey | None:
        id = self.repository.id
        keys = (EnvironmentKey.stage(id, name), EnvironmentKey.demo(id, name))
        place = self.configuration.find_stage if self.configuration is not None else lambda _: None
        return next((key for key in keys if place(key) is not None), None)

    def _not_pinned(self, key: EnvironmentKey) -> None:
        name, record = key.name, self.records.get(key)
        demo = self.configuration.demo.get(name) if self.configuration is not None else None
        if demo is not None and demo.release is not None:
            line = field_line(self.text, "demo", name, "release")
            raise Refusal(DemoIsPinned(name, demo.release, line))
        if self.problem is not None and record is not None and record.pin is not None:
            raise Refusal(DemoIsPinned(name, record.pin.release, None))

    def _unknown(self, name: str, suggestion: str = "") -> GreenroomError:
        if isinstance(self.problem, Unavailable):
            return self.problem
        if self.unusable is not None:
            return Refusal(self.unusable)
        if self.configuration is None:
            return Refusal(NoConfiguration(name))
        suggestion = suggestion or _nearest(name.lower(), self._names()) or ""
        return Refusal(unknown_target(self.configuration, name, suggestion=suggestion))


async def read_stages(
    promotions: PromotionStore, contents: ContentReader, repository: Repository
) -> StageLookup:
    """Reads the configuration of the default branch and the stored stages."""
    records = {record.key: record for record in await promotions.stages(repository.id)}
    return replace(await read_configured_stages(contents, repository), records=records)


async def read_configured_stages(contents: ContentReader, repository: Repository) -> StageLookup:
    """Without stored stages, which `StageLookup.configured` does not need."""
    try:
        text = await contents.default_branch_file(repository, CONFIG_FILE)
        configuration = parse_configuration(text) if text is not None else None
    except (Rejected, Unavailable) as error:
        return StageLookup(repository, {}, problem=error)
    return StageLookup(repository, {}, text or "", configuration)


def _nearest(word: str, names: Sequence[str]) -> str | None:
    if len(word) >= _SHORTENED and (matches := [name for name in names if name.startswith(word)]):
        return matches[0]
    return next(iter(difflib.get_close_matches(word, names, 1, _NEAR)), None)

"""Which stage or demo somebody means by a name: of those that the default branch has, or had before."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.config.loader import CONFIG_FILE, field_line, parse_configuration
from bot.config.schema import Configuration
from bot.environments.ports import ContentReader
from bot.model.environment import EnvironmentKey
from bot.model.errors import ConfigurationError, GreenroomError, Rejected, Unavailable
from bot.model.promotion import StageRecord
from bot.model.repository import Repository
from bot.promotions.pipeline import in_order, place_names
from bot.promotions.ports import PromotionStore
from bot.promotions.stage_aggregate import Refusal

_NEAR = 0.75
_SHORTENED = 3
"""So many letters of a name's beginning stand for the name."""


@dataclass(frozen=True, slots=True)
class StageLookup:
    """What is known of a repository's stages and demos. What it refuses, it refuses with a Refusal."""

    repository: Repository
    records: Mapping[EnvironmentKey, StageRecord]
    """Of what was ever promoted to."""
    text: str = ""
    configuration: Configuration | None = None
    """None when the default branch has none, or its own cannot be used or read."""
    problem: GreenroomError | None = None
    """Why that is so."""

    @property
    def keys(self) -> Sequence[EnvironmentKey]:
        """Those in the file: stages in the order in which they come, then demos."""
        if self.configuration is None:
            return ()
        id, demos = self.repository.id, self.configuration.demo
        stages = (EnvironmentKey.stage(id, name) for name in in_order(self.configuration.stages))
        return (*stages, *(EnvironmentKey.demo(id, name) for name in demos))

    @property
    def problem_text(self) -> str:
        """Why there is no configuration to go by, for whoever looks; "" when that is no problem."""
        if self.problem is None:
            return ""
        what = "used" if isinstance(self.problem, ConfigurationError) else "read"
        return f"`{CONFIG_FILE}` on the default branch cannot be {what}: {self.problem}"

    def configured(self, name: str) -> EnvironmentKey:
        """What something may be promoted to."""
        key = self._key_in_file(name)
        if key is None:
            raise self._unknown(name)
        self._not_pinned(key)
        return key

    def existing(self, name: str) -> EnvironmentKey:
        """Also what the file has no more, or what stands while it cannot be read: people still keep it,
        free it and end what is under way there."""
        key = self._key_in_file(name) or next((key for key in self.records if key.name == name), None)
        if key is None:
            raise self._unknown(name)
        return key

    def movable(self, name: str) -> EnvironmentKey:
        """The same, but no demo that the file pins: it is moved there."""
        key = self.existing(name)
        self._not_pinned(key)
        return key

    def parse_target(self, words: Sequence[str], *, reasoned: bool) -> tuple[str | None, str]:
        """The stage that is named first, and the reason after it.

        Where there may be a reason, a first word that is no stage begins it, unless it is nearly one: what
        was mistyped is never another promotion that happens to be there.
        """
        if not words:
            return None, ""
        first, names = words[0], self._names()
        if first in names:
            return first, " ".join(words[1:])
        near = _nearest(first.lower(), names)
        if not reasoned or near is not None or self.problem is not None:
            raise self._unknown(first, f" Did you mean {near}?" if near is not None else "")
        return None, " ".join(words)

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
            raise Refusal(
                f"{name} is pinned to {demo.release} in {CONFIG_FILE}, line {line}: change it there, on the "
                "default branch, and it moves."
            )
        if self.problem is not None and record is not None and record.pin is not None:
            raise Refusal(f"{name} is pinned to {record.pin.release}, and {CONFIG_FILE} cannot be used now.")

    def _unknown(self, name: str, more: str = "") -> GreenroomError:
        if isinstance(self.problem, Unavailable):
            return self.problem
        if isinstance(self.problem, ConfigurationError):
            return Refusal(self.problem_text)
        if self.problem is not None:
            return Refusal(str(self.problem))
        if self.configuration is None:
            return Refusal(f"There is no stage {name}: the default branch has no {CONFIG_FILE}.")
        return Refusal(f"There is no stage {name} ({place_names(self.configuration)}).{more}")


async def read_stages(
    promotions: PromotionStore, contents: ContentReader, repository: Repository
) -> StageLookup:
    """As the default branch has them now, and as they were promoted to."""
    records = {each.key: each for each in await promotions.stages(repository.id)}
    try:
        text = await contents.default_branch_file(repository, CONFIG_FILE)
        configuration = parse_configuration(text) if text is not None else None
    except (Rejected, Unavailable) as error:
        return StageLookup(repository, records, problem=error)
    return StageLookup(repository, records, text or "", configuration)


def _nearest(word: str, names: Sequence[str]) -> str | None:
    if len(word) >= _SHORTENED and (found := [name for name in names if name.startswith(word)]):
        return found[0]
    return next(iter(difflib.get_close_matches(word, names, 1, _NEAR)), None)

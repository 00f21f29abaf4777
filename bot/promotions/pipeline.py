"""The way of a release through the stages of `.greenroom.yml`. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache

from bot.config.loader import parse_configuration
from bot.config.schema import Configuration
from bot.config.stages import Demo, Stage, stage_digest_parts
from bot.model.environment import EnvironmentKind
from bot.model.promotion import Promotion, StageRecord


def policy(promotion: Promotion) -> Stage:
    """The pipeline's word on its stage as it was when the promotion was asked for."""
    return stage_in(promotion.policy, promotion.stage.name)


@lru_cache(maxsize=128)
def stage_in(configuration: str, name: str) -> Stage:
    """A stage or demo of `.greenroom.yml`, given as text that was read before."""
    return parse_configuration(configuration).stages_and_demos[name]


def configuration_digest(configuration: Configuration, name: str) -> str:
    """Of all in the file that decides what runs on the stage; another one makes approvals void."""
    stage = configuration.stages_and_demos[name]
    parts = {
        "manifests": configuration.manifests.model_dump(mode="json"),
        "route": configuration.route.model_dump(mode="json") if configuration.route else None,
        "data": configuration.data.model_dump(mode="json") if configuration.data else None,
        "stage": stage_digest_parts(stage),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def place_names(configuration: Configuration) -> str:
    """All names that there are, for who mistyped one."""
    demos = f"; demos: {', '.join(configuration.demo)}" if configuration.demo else ""
    return f"stages: {', '.join(configuration.stages) or 'none'}{demos}"


def demo_digest(demo: Demo) -> str:
    """Of what the file says of the demo besides its release."""
    parts = stage_digest_parts(demo.as_stage)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def in_order(stages: Mapping[str, Stage]) -> list[str]:
    """Each stage after those that it comes after, and otherwise as the file has them."""
    left, found = list(stages), list[str]()
    while left:
        # There is no circle: the configuration would not have been accepted.
        following = next(name for name in left if not set(stages[name].after.names) & set(left))
        left.remove(following)
        found.append(following)
    return found


def stages_by_name(records: Iterable[StageRecord]) -> dict[str, StageRecord]:
    """Without demos: nothing comes after one."""
    return {each.name: each for each in records if each.key.kind is EnvironmentKind.STAGE}


def next_stages(
    stages: Mapping[str, Stage], records: Mapping[str, StageRecord], here: str, release_id: str
) -> list[str]:
    """Where a release goes by itself, now that it was verified `here`."""
    return [
        name
        for name, stage in stages.items()
        if stage.automatic and here in stage.after.names and is_admissible(stage, records, release_id)
    ]


def is_admissible(stage: Stage, records: Mapping[str, StageRecord], release_id: str) -> bool:
    """Whether it was verified on the stages that come before."""
    there = {name for name, record in records.items() if record.has_verified(release_id)}
    one_of = stage.after.one_of
    return set(stage.after.all_of) <= there and (not one_of or bool(there & set(one_of)))

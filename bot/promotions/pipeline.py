"""The pipeline of stages that `.greenroom.yml` declares. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from bot.config.infrastructure import Infrastructure
from bot.config.loader import parse_configuration
from bot.config.schema import Configuration
from bot.config.stages import Demo, Stage, stage_digest_parts
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.errors import ConfigurationError
from bot.model.naming import namespace_name
from bot.model.promotion import Promotion, StageRecord
from bot.model.release import Target
from bot.promotions.refusals import UnknownTarget


def policy(promotion: Promotion) -> Stage:
    """The stage's settings at the time of the request."""
    return stage_in(promotion.policy, promotion.stage.name)


@lru_cache(maxsize=128)
def stage_in(configuration: str, name: str) -> Stage:
    """A stage or demo of `.greenroom.yml`, given as text."""
    return parse_configuration(configuration).stages_and_demos[name]


def configuration_digest(configuration: Configuration, name: str) -> str:
    """Digest of all settings that decide what runs on the stage; a changed one revokes approvals."""
    stage = configuration.stages_and_demos[name]
    parts = {
        "manifests": configuration.manifests.model_dump(mode="json"),
        "route": configuration.model_dump(mode="json", include={"route", "routes"}),
        "data": configuration.data.model_dump(mode="json") if configuration.data else None,
        "stage": stage_digest_parts(stage),
    }
    infrastructure = configuration.infrastructure_of(EnvironmentKey.stage(0, name))
    if infrastructure is not None:
        parts["infrastructure"] = infrastructure.model_dump(mode="json")
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


@lru_cache(maxsize=128)
def infrastructure_in(configuration: str, key: EnvironmentKey) -> Infrastructure | None:
    """The infrastructure of a stage or demo of `.greenroom.yml`, given as text."""
    parsed = parse_configuration(configuration)
    return parsed.infrastructure_of(key) if parsed.find_stage(key) is not None else None


def stage_namespace(configuration: str, promotion: Promotion, present: str, running: Target | None) -> str:
    """A stage that exists keeps its namespace and data when the repository is renamed.

    `present` is the namespace that it has, `running` what runs there.
    """
    name = promotion.stage.name
    configured = stage_in(configuration, name).namespace
    if configured is not None:
        return configured
    exists = running is not None and stage_in(running.configuration, name).namespace is None
    return present if exists else namespace_name(promotion.stage, promotion.repository)


def unknown_target(
    configuration: Configuration, name: str, kind: str = "stage", suggestion: str = ""
) -> UnknownTarget:
    return UnknownTarget(kind, name, tuple(configuration.stages), tuple(configuration.demo), suggestion)


def demo_digest(demo: Demo) -> str:
    """Digest of the demo's settings other than its release."""
    parts = stage_digest_parts(demo.as_stage)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def in_order(stages: Mapping[str, Stage]) -> list[str]:
    """Topological order; otherwise the order of the file."""
    left, ordered = list(stages), list[str]()
    while left:
        # The configuration was validated to have no cycle.
        following = next(name for name in left if not set(stages[name].after.names) & set(left))
        left.remove(following)
        ordered.append(following)
    return ordered


@lru_cache(maxsize=128)
def first_stages(configuration: str) -> Sequence[str]:
    """Stages of `.greenroom.yml`, given as text, that come after no other one; none where it has errors."""
    try:
        stages = parse_configuration(configuration).stages
    except ConfigurationError:
        return ()
    return [name for name in in_order(stages) if not stages[name].after.names]


def followers(stages: Mapping[str, Stage], name: str) -> list[str]:
    """Stages that come directly after a stage."""
    return [other for other in in_order(stages) if name in stages[other].after.names]


def stages_by_name(records: Iterable[StageRecord]) -> dict[str, StageRecord]:
    """Records of stages, without demos, by name."""
    return {record.name: record for record in records if record.key.kind is EnvironmentKind.STAGE}


def next_stages(
    stages: Mapping[str, Stage], records: Mapping[str, StageRecord], here: str, release_id: str
) -> list[str]:
    """Stages to which the release is promoted automatically after its verification on `here`."""
    return [
        name
        for name, stage in stages.items()
        if stage.automatic and here in stage.after.names and is_admissible(stage, records, release_id)
    ]


def is_admissible(stage: Stage, records: Mapping[str, StageRecord], release_id: str) -> bool:
    """Whether the release is verified on the previous stages."""
    verified = {name for name, record in records.items() if record.has_verified(release_id)}
    one_of = stage.after.one_of
    return set(stage.after.all_of) <= verified and (not one_of or bool(verified & set(one_of)))

"""Repairs drift: applies declared objects again, and removes undeclared fields from them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from bot.environments.ports import Fence
from bot.infrastructure.drift.inventory import Declared, Live
from bot.infrastructure.drift.objects import Rules, object_name, undeclared_paths
from bot.infrastructure.drift.ports import LiveObjects
from bot.model.drift import DriftKind, Finding, Heal
from bot.model.errors import Rejected, Superseded, Unavailable

_REPAIRED = frozenset((DriftKind.CHANGED, DriftKind.REMOVED, DriftKind.ADDED_FIELD))
"""Objects that Greenroom did not create are never deleted, and pods belong to their controllers."""


def repairable(findings: Collection[Finding], declared: Declared) -> frozenset[str]:
    """The declared objects among those of the findings."""
    names = {object_name(manifest) for manifest in declared.objects}
    return frozenset(
        finding.object for finding in findings if finding.kind in _REPAIRED and finding.object in names
    )


async def repair(
    live_objects: LiveObjects,
    objects: Collection[str],
    declared: Declared,
    live: Live,
    rules: Rules,
    fence: Fence,
    now: datetime,
) -> Heal:
    """Repairs objects in the order of application; continues after an object that is refused."""
    healed: list[str] = []
    problems: list[str] = []
    for name, manifest in declared.by_name.items():
        if object_name(manifest) not in objects:
            continue
        actual = live.by_name.get(name)
        paths = undeclared_paths(manifest, actual, rules) if actual is not None else []
        try:
            await live_objects.restore(manifest, actual, paths, fence)
        except Superseded:
            raise
        except (Rejected, Unavailable) as error:
            problems.append(str(error))
        else:
            healed.append(object_name(manifest))
    return Heal(now, tuple(healed), " ".join(problems))

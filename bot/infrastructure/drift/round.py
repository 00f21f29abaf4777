"""One comparison of an environment: reads the live objects, and asks the API server about other notations."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cachetools import LRUCache

from bot.environments.images import unexpected_digest
from bot.environments.ports import ImageResolver
from bot.infrastructure.drift.exceptions import Exceptions
from bot.infrastructure.drift.fields import Path
from bot.infrastructure.drift.inventory import Declared, DryRun, Live, ObjectName, compare_namespace
from bot.infrastructure.drift.objects import (
    Rules,
    compare_object,
    default_paths,
    fingerprint,
    may_be_default,
    needs_dry_run,
    undeclared_paths,
)
from bot.infrastructure.drift.ports import LiveObjects
from bot.model.drift import Comparison, DriftKind, Finding, Unreadable
from bot.model.errors import Rejected, Unavailable
from bot.model.manifest import RunningContainer
from bot.model.release import Image

_MAX_EQUAL = 20_000


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison with the objects that it was made from, for a repair."""

    comparison: Comparison
    live: Live


@dataclass(frozen=True, slots=True)
class Round:
    """Compares namespaces; remembers objects that differ in nothing but the notation."""

    live_objects: LiveObjects
    registry: ImageResolver
    digest_key: bytes = field(repr=False)
    exceptions: Exceptions
    _equal: LRUCache[tuple[str, str], frozenset[Path]] = field(
        default_factory=lambda: LRUCache(_MAX_EQUAL), init=False
    )
    """Pairs without drift by the content of both sides, with undeclared fields that have defaults."""

    @property
    def rules(self) -> Rules:
        objects = self.live_objects
        return Rules(objects.manager, objects.revision, self.digest_key, self.exceptions)

    async def compare(self, namespace: str, declared: Declared, images: Mapping[str, Image]) -> Compared:
        """One call per kind, and one for each object that differs. `images` are those of the release."""
        live = await self.live_objects.read(namespace, declared.objects)
        dry_runs = await self._dry_runs(declared, live)
        compared = await asyncio.to_thread(compare_namespace, declared, live, dry_runs, self.rules)
        wrong, unreadable = await self._images(live, images, compared)
        findings = (*compared.findings, *wrong)
        return Compared(Comparison(findings, (*compared.unreadable, *unreadable)), live)

    async def _dry_runs(self, declared: Declared, live: Live) -> Mapping[ObjectName, DryRun]:
        present, rules = live.by_name, self.rules

        def questions() -> list[tuple[ObjectName, bool, list[Path]]]:
            """Objects about which the API server must be asked, and the fields that may be defaults."""
            asked = []
            for name, manifest in declared.by_name.items():
                if (actual := present.get(name)) is not None:
                    paths = undeclared_paths(manifest, actual, rules)
                    paths = [path for path in paths if may_be_default(manifest, path)]
                    differs = needs_dry_run(manifest, actual, rules)
                    if differs or paths:
                        asked.append((name, differs, paths))
            return asked

        async def ask(name: ObjectName, differs: bool, paths: list[Path]) -> tuple[ObjectName, DryRun]:
            manifest, actual = declared.by_name[name], present[name]
            key = (fingerprint(manifest, rules.digest_key), fingerprint(actual, rules.digest_key))
            if (defaults := self._equal.get(key)) is not None:
                return name, DryRun(actual if differs else None, defaults=defaults)
            answer = await self.live_objects.dry_run(manifest) if differs else DryRun()
            defaulted = await self.live_objects.defaulted(manifest) if paths else None
            if defaulted is not None:
                answer = replace(answer, defaults=default_paths(paths, actual, defaulted, rules))
            is_known = answer.applied is not None or not differs
            if is_known and not compare_object(
                manifest, actual, rules, applied=answer.applied, defaults=answer.defaults
            ):
                self._equal[key] = answer.defaults
            return name, answer

        asked = await asyncio.to_thread(questions)
        return dict(await asyncio.gather(*(ask(*question) for question in asked)))

    async def _images(
        self, live: Live, images: Mapping[str, Image], compared: Comparison
    ) -> tuple[list[Finding], list[Unreadable]]:
        """Containers that do not run what the release has, unless their template shows it already."""
        changed = {finding.actual for finding in compared.findings if finding.path.endswith(".image")}
        findings: list[Finding] = []
        unreadable: list[Unreadable] = []
        for container in live.running:
            if not container.expected or container.image in changed:
                continue
            path = ("spec", "containers", f"[{container.name}]", "image")
            if self.exceptions.allow_field("Pod", path):
                continue
            try:
                actual = await self._actual(container, images)
            except (Rejected, Unavailable) as error:
                unreadable.append(Unreadable(f"Pod/{container.pod}", str(error)))
                continue
            if actual:
                findings.append(
                    Finding(
                        DriftKind.IMAGE,
                        f"Pod/{container.pod}",
                        f"spec.containers[{container.name}].image",
                        container.expected,
                        actual,
                    )
                )
        return findings, unreadable

    async def _actual(self, container: RunningContainer, images: Mapping[str, Image]) -> str:
        """What the container runs instead; "" if it is right."""
        if container.image != container.expected:
            return container.image
        return await unexpected_digest(container, images, self.registry)

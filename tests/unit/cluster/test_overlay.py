"""Manifests of previews alone: the release stays that of production, and every difference is reported."""

from __future__ import annotations

from dataclasses import replace

from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import Tools
from bot.model.manifest import Location, RenderRequest, Tool
from tests.unit.cluster.manifests import POLICY, config_map, deployment, files, request, service

PRODUCTION = files(deployment(), service(), config_map("settings", database="managed"))
OWN = files(deployment(), service(), deployment("database"), config_map("settings"), path="own/all.yaml")
BOTH = {**PRODUCTION, **OWN}


def preview(*paths: str) -> RenderRequest:
    production = Location(Tool.PLAIN, "", ("deploy",), (), {})
    return replace(request(files=BOTH), paths=paths, production=production)


async def test_release_has_the_digest_of_production() -> None:
    renderer = ManifestRenderer(POLICY, Tools())
    production = await renderer.render(request(files=BOTH))
    overlaid = await renderer.render(preview("own"))
    assert overlaid.manifests_digest == production.manifests_digest
    assert overlaid.release.id != production.release.id


async def test_every_difference_is_shown_in_the_comment() -> None:
    bundle = await ManifestRenderer(POLICY, Tools()).render(preview("own"))
    shown = [(note.effect.value, note.object) for note in bundle.notes if note.in_comment]
    assert shown == [("kept", "Deployment/database"), ("rewritten", "ConfigMap/settings")]


async def test_objects_that_previews_lack_are_named() -> None:
    own = files(deployment(), service(), path="own/all.yaml")
    bundle = await ManifestRenderer(POLICY, Tools()).render(
        replace(preview("own"), files={**PRODUCTION, **own})
    )
    assert [(note.effect.value, note.object) for note in bundle.notes] == [("left out", "ConfigMap/settings")]

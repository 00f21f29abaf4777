"""The order of a pipeline."""

from __future__ import annotations

from bot.promotions.pipeline import first_stages


def test_first_stages_follow_no_other() -> None:
    minimal = "version: 1\nimages: {a: a}\nmanifests: {plain: d}\nroute: {service: a, port: 80}\n"
    stages = "stages: {staging: {after: [integration]}, integration: {}}\n"
    assert first_stages(minimal + stages) == ["integration"]
    assert not first_stages(minimal)
    assert not first_stages("version: 2\n")

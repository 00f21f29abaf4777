"""The shop as the demo deploys it: its production stage is a canary that takes seconds."""

from __future__ import annotations

from collections.abc import Mapping

from bot.config.loader import CONFIG_FILE

_PRODUCTION = b"    approvals: {count: 1}\n"
_ROLLOUT = b"""    checks: [{http: /healthz}]
    rollout:
      canary:
        steps: [50, 100]
        interval: 1s
        analysis: {looks: 2, requests: 10}
"""


def with_canary(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The shop with a production stage that moves as a short canary."""
    return {**files, CONFIG_FILE: files[CONFIG_FILE].replace(_PRODUCTION, _PRODUCTION + _ROLLOUT)}

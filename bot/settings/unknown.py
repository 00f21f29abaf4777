"""Environment variables that look like settings but are not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from bot.settings.settings import PREFIX, Settings, variable

_SECRETS = f"{PREFIX}SECRET_"
"""Prefix of the secrets for environments; their names are the operator's."""
_SERVICE_LINK = re.compile(r"(_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$")
"""Kubernetes adds such variables for each Service, also for one whose name begins with `greenroom`."""


def unknown_variables(names: Iterable[str]) -> list[str]:
    """One sentence for each variable, with the setting that was probably meant."""
    settings = [name for name in map(variable, Settings.model_fields) if name.startswith(PREFIX)]
    unknown = sorted(
        name
        for name in names
        if name.startswith(PREFIX)
        and name not in settings
        and not name.startswith(_SECRETS)
        and not _SERVICE_LINK.search(name)
    )
    return [_sentence(name, settings) for name in unknown]


def _sentence(name: str, settings: list[str]) -> str:
    suffixes = [setting.removeprefix(PREFIX) for setting in settings]
    similar = difflib.get_close_matches(name.removeprefix(PREFIX), suffixes, 1)
    advice = (
        f"Did you mean {PREFIX}{similar[0]}?"
        if similar
        else "Remove it; docs/settings.md lists all settings."
    )
    return f"{name} is not a setting. {advice}"

"""docs/settings.md lists every setting with its default and its description, and nothing else."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.model.durations import format_duration
from bot.settings import Settings, variable

_ROOT = Path(__file__).parents[3]
_PAGE = _ROOT / "docs" / "settings.md"
_OTHER_VARIABLES = {
    "GREENROOM_FILES",
    "GREENROOM_HOST",
    "GREENROOM_PORT",
    "GREENROOM_TEST_KUBECONFIG",
    "GREENROOM_URL",
    "GREENROOM_URL_API",
    "GREENROOM_URL_NAME",
}
"""Variables of Jobs and of tests, and the one that Kubernetes' service links would set."""


def test_page_lists_every_setting_with_default_and_description() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*) \|$", _PAGE.read_text(), re.MULTILINE)
    documented = {name: (default, meaning) for name, default, meaning in rows}
    assert len(rows) == len(documented)
    assert documented == {
        variable(name): ("required" if field.is_required() else _shown(field.default), field.description)
        for name, field in Settings.model_fields.items()
    }


def test_pages_and_manifests_name_only_existing_settings() -> None:
    files = [*_ROOT.glob("*.md"), *_ROOT.glob("docs/*.md"), *_ROOT.glob("deploy/**/*.yaml")]
    settings = {variable(name) for name in Settings.model_fields}
    for file in files:
        names = set(re.findall(r"\bGREENROOM_(?!SECRET_)[A-Z_]*[A-Z]", file.read_text()))
        assert names - settings <= _OTHER_VARIABLES, file.name


def _shown(default: Any) -> str:
    match default:
        case None | ():
            return "none"
        case dict() if not default:
            return "none"
        case SecretStr():
            return f"`{default.get_secret_value()}`"
        case timedelta():
            return f"`{format_duration(default)}`"
        case bool():
            return f"`{str(default).lower()}`"
        case Enum():
            return f"`{default.value}`"
        case _:
            return f"`{default}`"

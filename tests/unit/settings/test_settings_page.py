"""docs/settings.md tells every setting, its default and its meaning, and nothing that is gone."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.settings import Settings, variable

_ROOT = Path(__file__).parents[3]
_PAGE = _ROOT / "docs" / "settings.md"
_NO_SETTINGS = {"GREENROOM_FILES", "GREENROOM_PORT", "GREENROOM_TEST_KUBECONFIG", "GREENROOM_URL"}
"""The Deployment explains by GREENROOM_PORT why service links are off; Jobs of environments get the rest."""


def test_the_page_tells_every_setting_with_default_and_meaning() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*) \|$", _PAGE.read_text(), re.MULTILINE)
    told = {name: (default, meaning) for name, default, meaning in rows}
    assert len(rows) == len(told)
    assert told == {
        variable(name): ("required" if field.is_required() else _shown(field.default), field.description)
        for name, field in Settings.model_fields.items()
    }


def test_no_page_and_no_manifest_names_a_setting_that_does_not_exist() -> None:
    told = [*_ROOT.glob("*.md"), *_ROOT.glob("docs/*.md"), *_ROOT.glob("deploy/**/*.yaml")]
    known = {variable(name) for name in Settings.model_fields}
    for file in told:
        named = set(re.findall(r"\bGREENROOM_(?!SECRET_)[A-Z_]*[A-Z]", file.read_text()))
        assert named - known <= _NO_SETTINGS, file.name


def _shown(default: Any) -> str:
    match default:
        case None | ():
            return "none"
        case dict() if not default:
            return "none"
        case SecretStr():
            return f"`{default.get_secret_value()}`"
        case timedelta():
            return f"`{default.days}d`" if default.days else f"`{default.seconds // 60}m`"
        case Enum():
            return f"`{default.value}`"
        case _:
            return f"`{default}`"

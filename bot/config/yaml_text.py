"""Writes values as YAML that kubectl and Helm read as the same values."""

from __future__ import annotations

from typing import Any

import yaml

from bot.config.scalars import scalar


class _Dumper(yaml.SafeDumper):
    """Quotes texts that kubectl takes for a boolean or number; PyYAML leaves `y` and `1e3` unquoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        bare = scalar(text, None, True) == text
    except ValueError:
        bare = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, None if bare else "'")


_Dumper.add_representer(str, _text)


def yaml_text(value: Any) -> str:
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True))

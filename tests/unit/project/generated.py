"""Tables in the documentation that are generated; `make tables` (this module as a program) writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from typer.main import get_command

from bot.cli.main import app
from bot.cluster.render.transforms import OBJECT_TRANSFORMS, SOURCE_TRANSFORMS
from bot.config.json_schema import json_schema_text
from bot.settings import PREFIX, Settings, variable
from bot.web.metrics import Metrics
from tests.unit.project import imports
from tests.unit.project.files import ROOT


def commands() -> str:
    """One row for each command of the command line, with the first line of its help."""
    rows = [f"| `{name}` | {_first_line(command.help)} |" for name, command in _commands(get_command(app))]
    return "\n".join(["| command | effect |", "|---|---|", *rows])


def _commands(command: Any, name: str = "greenroom") -> Iterator[tuple[str, Any]]:
    """Every command that is not a group, with its full name."""
    groups = getattr(command, "commands", None)
    if groups is None:
        yield name, command
        return
    for part, inner in sorted(groups.items()):
        yield from _commands(inner, f"{name} {part}")


def metrics() -> str:
    """One row for each Prometheus metric, with its type and help."""
    rows = [
        f"| `{metric.name}` | {metric.type} | {metric.documentation} |"
        for metric in sorted(Metrics().registry.collect(), key=lambda metric: metric.name)
        if metric.name.startswith("greenroom_")
    ]
    return "\n".join(["| metric | type | meaning |", "|---|---|---|", *rows])


def transforms() -> str:
    """One row for each transform of manifests, in their order, with the first line of its docstring."""
    rows = [
        f"| {transform.__name__.replace('_', ' ')} | {_first_line(transform.__doc__)} |"
        for transform in (*SOURCE_TRANSFORMS, *OBJECT_TRANSFORMS)
    ]
    return "\n".join(["| transform | effect |", "|---|---|", *rows])


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0].strip()


TABLES: Mapping[str, Callable[[], str]] = {
    "ARCHITECTURE.md": imports.table,
    "docs/command-line.md": commands,
    "docs/manifests.md": transforms,
    "docs/metrics.md": metrics,
}
_TABLE = re.compile(
    r"(?<=<!-- generated: make tables -->\n).*?(?=\n<!-- end of the generated table -->)", re.DOTALL
)


def current(page: str) -> str:
    """The page as it is in the repository."""
    return Path(ROOT / page).read_text(encoding="utf-8")


def generated(page: str) -> str:
    """The page with a new table; `ValueError` when it has no place for it."""
    text, number = _TABLE.subn(lambda _: TABLES[page](), current(page))
    if number != 1:
        raise ValueError(f"{page} has {number} places for its table")
    return text


SCHEMA = "docs/greenroom.schema.json"
VALUES_SCHEMA = "deploy/chart/values.schema.json"
_NO_SETTING = "^([A-FH-Z]|G[A-QS-Z]|GR[A-DF-Z]|GREENROOM_SECRET_[A-Z0-9_]+_REPOSITORIES$)[A-Z0-9_]*$"
"""Variables of other programs, such as HTTPS_PROXY, and grants of secrets, whose names are the operator's."""


def values_schema() -> str:
    """The schema of the chart's values with each setting that is not secret, and its description."""
    schema = json.loads(current(VALUES_SCHEMA))
    settings = schema["properties"]["settings"]
    written: Mapping[str, Any] = settings["properties"]
    settings["properties"] = {
        variable(name): {
            **written.get(variable(name), {"type": ["string", "number", "boolean"]}),
            "description": field.description,
        }
        for name, field in Settings.model_fields.items()
        if variable(name).startswith(PREFIX) and not _is_secret(name, field.annotation)
    }
    settings["patternProperties"] = {_NO_SETTING: {"type": ["string", "number", "boolean"]}}
    settings["additionalProperties"] = False
    return json.dumps(schema, indent=2) + "\n"


def _is_secret(name: str, annotation: Any) -> bool:
    """Whether the setting belongs into the Secret. The address of a database may contain a password."""
    return name == "database_url" or "SecretStr" in str(annotation)


if __name__ == "__main__":
    (ROOT / SCHEMA).write_text(json_schema_text(), encoding="utf-8")
    (ROOT / VALUES_SCHEMA).write_text(values_schema(), encoding="utf-8")
    for page in TABLES:
        (ROOT / page).write_text(generated(page), encoding="utf-8")

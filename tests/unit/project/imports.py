"""The packages of bot/ with what they may import, from the import contracts in pyproject.toml."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def protected() -> Mapping[str, frozenset[str]]:
    """For each protected module or library, the modules that may import it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {
        module: frozenset(contract["allowed_importers"])
        for contract in contracts
        if contract["type"] == "protected"
        for module in contract["protected_modules"]
    }


def table() -> str:
    """One row for each package and root module: purpose, packages that it may import, libraries."""
    rules = protected()
    rows = ["| package | purpose | may import | only here |", "|---|---|---|---|"]
    for name, path in sorted(_packages().items()):
        inside = [_short(module) for module, importers in rules.items() if _allowed(f"bot.{name}", importers)]
        ours = sorted(module for module in inside if module.startswith("`bot."))
        libraries = sorted(module for module in inside if not module.startswith("`bot."))
        imports = ", ".join(module.replace("bot.", "") for module in ours)
        rows.append(f"| `{path}` | {_purpose(path)} | {imports or 'nothing'} | {', '.join(libraries)} |")
    return "\n".join(rows)


def _packages() -> Mapping[str, str]:
    """Names and paths of what is directly in bot/."""
    bot = ROOT / "bot"
    folders = {path.parent.name: f"bot/{path.parent.name}/" for path in bot.glob("*/__init__.py")}
    modules = {path.stem: f"bot/{path.name}" for path in bot.glob("*.py") if path.stem != "__init__"}
    return folders | modules


def _allowed(importer: str, importers: frozenset[str]) -> bool:
    return any(importer == allowed or allowed.startswith(f"{importer}.") for allowed in importers)


def _short(module: str) -> str:
    return f"`{module}`"


def _purpose(path: str) -> str:
    """The first line of the docstring."""
    file = ROOT / path / "__init__.py" if path.endswith("/") else ROOT / path
    docstring = ast.get_docstring(ast.parse(file.read_text())) or ""
    return docstring.partition("\n")[0].removesuffix(".")

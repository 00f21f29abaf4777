"""The packages of bot/ with what they may import, from the import contracts in pyproject.toml."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Mapping
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
    rows = ["| package | purpose | may import | libraries only here |", "|---|---|---|---|"]
    for name, path in sorted(_packages().items()):
        modules = [module for module, importers in rules.items() if f"bot.{name}" in importers]
        others = [module.removeprefix("bot.") for module in modules if module.startswith("bot.")]
        ours = _code(other for other in others if not other.startswith(f"{name}."))
        libraries = _code(module for module in modules if not module.startswith("bot."))
        rows.append(f"| `{path}` | {_purpose(path)} | {ours} | {libraries} |")
    return "\n".join(rows)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _packages() -> Mapping[str, str]:
    """Names and paths of what is directly in bot/."""
    bot = ROOT / "bot"
    folders = {path.parent.name: f"bot/{path.parent.name}/" for path in bot.glob("*/__init__.py")}
    modules = {path.stem: f"bot/{path.name}" for path in bot.glob("*.py") if path.stem != "__init__"}
    return folders | modules


def _purpose(path: str) -> str:
    """The first line of the docstring."""
    file = ROOT / path / "__init__.py" if path.endswith("/") else ROOT / path
    docstring = ast.get_docstring(ast.parse(file.read_text())) or ""
    return docstring.partition("\n")[0].removesuffix(".")

"""The layout of bot/: documented modules of a readable size, in the places that ARCHITECTURE.md lists."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.unit.project.files import ROOT, modules

MAX_LINES = 350
ROOT_MODULES = {"__init__", "app", "clusters", "connections", "logging", "reading_turns", "server", "worker"}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_module_has_a_docstring() -> None:
    sources = {_name(path): path.read_text() for path in modules()}
    assert [name for name, text in sources.items() if text.strip() and not _docstring(text)] == []


def test_every_package_has_a_docstring() -> None:
    packages = (ROOT / "bot").glob("*/__init__.py")
    assert [_name(path) for path in sorted(packages) if not _docstring(path.read_text())] == []


def test_modules_are_at_most_350_lines_long() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in modules()}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_root_contains_only_the_process() -> None:
    assert {path.stem for path in (ROOT / "bot").glob("*.py")} == ROOT_MODULES


def _docstring(source: str) -> str | None:
    return ast.get_docstring(ast.parse(source))

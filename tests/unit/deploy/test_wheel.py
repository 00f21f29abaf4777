"""The wheel, which the image installs, has the bot and not the embedded servers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
BLOCK = (
    "import importlib.abc, sys\n"
    "class Block(importlib.abc.MetaPathFinder):\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.startswith('bot.embedded'):\n"
    "            raise ModuleNotFoundError(name)\n"
    "sys.meta_path.insert(0, Block())\n"
    "import bot.app, bot.cli.main, bot.doctor, bot.server, bot.wiring, bot.worker\n"
)


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "app.yml"):
        shutil.copy(ROOT / name, source / name)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "bot", source / "bot", symlinks=True, ignore=ignored)
    command = [sys.executable, "-c", BUILD, str(folder)]
    built = subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    with zipfile.ZipFile(folder / built.stdout.split()[-1]) as wheel:
        return wheel.namelist()


def test_wheel_has_modules_and_data(contents: list[str]) -> None:
    assert {"bot/app.py", "bot/cli/main.py", "bot/github/app.yml", "bot/py.typed"} <= set(contents)
    for suffix in (".html", ".css", ".js", ".svg"):
        assert any(name.endswith(suffix) for name in contents), suffix


def test_wheel_has_no_embedded_server(contents: list[str]) -> None:
    assert [name for name in contents if name.startswith("bot/embedded")] == []


@pytest.mark.long
def test_bot_imports_without_embedded_servers() -> None:
    subprocess.run([sys.executable, "-c", BLOCK], cwd=ROOT, check=True)

"""A database file that cannot be used ends the command with one sentence of advice, without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bot.store.sqlite import SqliteDatabase
from bot.store.unusable import unusable_reason

_OPEN = """
import asyncio, os, sys
from pathlib import Path
from tempfile import TemporaryDirectory
from bot.model.errors import GreenroomError
from bot.store.sqlite import SqliteDatabase

async def use():
    database = SqliteDatabase(Path(sys.argv[1]), True)
    await database.open()
    await database.run_alone(lambda connection: None)

if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    asyncio.run(use())
except GreenroomError as error:
    sys.stderr.write(f"refused: {error}\\n")
    sys.stderr.flush()
    os._exit(1)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user of the database can enter and write to; pytest's own folders are closed."""
    with TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o777)
        yield Path(name)
        for path in (Path(name), *Path(name).rglob("*")):
            path.chmod(0o700)


def foreign(path: Path) -> Path:
    """Not accessible for the user that opens the database, as root's files are not."""
    path.chmod(0o000 if path.is_file() else 0o500)
    return path


def below_closed(tmp_path: Path) -> Path:
    closed = tmp_path / "closed"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o000)
    return closed / "data" / "greenroom.db"


def in_foreign_folder(tmp_path: Path) -> Path:
    (tmp_path / "volume").mkdir()
    return foreign(tmp_path / "volume") / "greenroom.db"


def foreign_file(suffix: str) -> Callable[[Path], Path]:
    def make(tmp_path: Path) -> Path:
        path = tmp_path / "greenroom.db"
        file = Path(f"{path}{suffix}")
        file.touch()
        foreign(file)
        return path

    return make


def directory_as_file(suffix: str) -> Callable[[Path], Path]:
    def make(tmp_path: Path) -> Path:
        path = tmp_path / "greenroom.db"
        Path(f"{path}{suffix}").mkdir()
        return path

    return make


def below_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file" / "greenroom.db"


CASES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no folder": (lambda tmp_path: tmp_path / "absent" / "greenroom.db", "absent does not exist; create it"),
    "below a file": (below_a_file, "/file is not a directory"),
    "folder that others own": (in_foreign_folder, "cannot write to it; in Kubernetes set `fsGroup:"),
    "folder below a closed one": (below_closed, "cannot open the directory"),
    "file that others own": (foreign_file(""), "cannot read and write it; in Kubernetes set `fsGroup:"),
    "lock that others own": (foreign_file("-lock"), "greenroom.db-lock belongs to user"),
    "folder for the file": (directory_as_file(""), "greenroom.db is not a file"),
    "folder for the lock": (directory_as_file("-lock"), "greenroom.db-lock is not a file"),
}


@pytest.mark.parametrize("case", CASES)
def test_unusable_database_is_refused_with_advice(folder: Path, case: str) -> None:
    make, advice = CASES[case]
    command = [sys.executable, "-c", _OPEN, str(make(folder))]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("refused: The database ")
    assert advice in result.stderr


def test_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)
    full = os.statvfs_result([*real[:4], 0, *real[5:]])
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    assert unusable_reason(tmp_path / "greenroom.db") == f"the disk under {tmp_path} is full; free some space"


async def test_missing_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="There is no database"):
        await SqliteDatabase(tmp_path / "greenroom.db", create=False).open()

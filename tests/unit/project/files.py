"""The files of the repository."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def modules(package: str = "bot") -> Sequence[Path]:
    """All Python files below `package`."""
    return sorted((ROOT / package).rglob("*.py"))


def tracked() -> Sequence[Path]:
    """All files that are in Git or would be added to it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())

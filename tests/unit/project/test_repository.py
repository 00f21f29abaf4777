"""What must not be in the repository: paths of a machine, registry hosts, imports that are not declared."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.unit.project.files import ROOT, tracked

_MACHINE = re.compile(rb"(?<![\w./-])/(?:work|root|home/(?!me/)[a-z]\w*|Users/\w+)/")
_REGISTRY_HOSTS = re.compile(rb"(?:index-url|extra-index|GOPROXY=|registry=)\s*=?\s*\S*://")
_DEPTRY = Path(sys.executable).with_name("deptry")


def _matches(pattern: re.Pattern[bytes]) -> list[str]:
    this = Path(__file__)
    return [
        f"{path.relative_to(ROOT)}: {match.group().decode()}"
        for path in tracked()
        if path != this
        for match in [pattern.search(path.read_bytes())]
        if match
    ]


def test_no_file_names_a_path_of_a_machine() -> None:
    assert _matches(_MACHINE) == []


def test_no_file_names_a_registry_host() -> None:
    assert _matches(_REGISTRY_HOSTS) == []


def test_every_imported_package_is_declared() -> None:
    result = subprocess.run(
        [_DEPTRY, "--no-ansi", "bot"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_every_tier_of_the_makefile_runs_in_ci() -> None:
    targets = set(re.findall(r"^(test[a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    tiers = targets - {"test-one"}
    calls = r"^(?:ENTER=\S+ )?(?:tier|beside) ((?:test[a-z-]* ?)+)"
    names = re.findall(calls, (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    runs = {name for call in names for name in call.split()}
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    assert runs == tiers
    assert all(re.search(rf"\b{tier}\b", workflow) for tier in tiers)

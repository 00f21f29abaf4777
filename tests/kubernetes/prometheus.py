"""promtool and Prometheus from Debian's package, unpacked once outside of the tree."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.kubernetes.binaries import cache

_PROGRAMS = ("promtool", "prometheus")


class PrometheusMissing(Exception):
    """Debian's package prometheus could not be downloaded: `apt-get download prometheus` shows why."""


def locate() -> Path:
    """The folder with both programs, which the first call fills."""
    target = cache("prometheus")
    if all((target / name).exists() for name in _PROGRAMS):
        return target
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        _download(Path(folder))
        (package,) = Path(folder).glob("prometheus_*.deb")
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        for name in _PROGRAMS:
            (Path(folder) / "usr/bin" / name).replace(target / name)
    return target


def _download(folder: Path) -> None:
    download = ["apt-get", "download", "-qq", "prometheus"]
    if subprocess.run(download, cwd=folder, check=False, capture_output=True).returncode != 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
        if subprocess.run(download, cwd=folder, check=False).returncode != 0:
            raise PrometheusMissing(str(PrometheusMissing.__doc__))

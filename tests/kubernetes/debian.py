"""Programs of Debian's packages, unpacked once outside of the tree. Nothing is installed."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.kubernetes.binaries import cache


class PackageMissing(Exception):
    """The package cannot be downloaded: `apt-get download PACKAGE` shows why."""


def program(package: str, name: str) -> Path:
    """A program of a package, which the first call downloads."""
    target = cache("debian") / package / name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as text:
        folder = Path(text)
        _download(package, folder)
        [archive] = folder.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
        (folder / "usr/bin" / name).replace(target)
    return target


def _download(package: str, folder: Path) -> None:
    download = ["apt-get", "download", "-qq", package]
    if subprocess.run(download, cwd=folder, check=False, capture_output=True).returncode == 0:
        return
    subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
    if subprocess.run(download, cwd=folder, check=False).returncode != 0:
        raise PackageMissing(f"{package} cannot be downloaded: `apt-get download {package}` shows why")

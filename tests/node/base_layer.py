"""The base layer of sample images on a real node: Debian's C library, Python and a shell.

`python -m tests.node.base_layer` builds it if it is missing; that needs the network, reading it does not.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from bot.embedded.registry import BaseLayer
from tests.kubernetes.binaries import cache

_PACKAGES = (
    "busybox-static",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libuuid1",
    "python3.11-minimal",
    "zlib1g",
)
_LINKS = {
    "bin": "usr/bin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "sbin": "usr/sbin",
    "usr/bin/python": "python3.11",
    "usr/bin/python3": "python3.11",
    "usr/bin/sh": "busybox",
}


_ARCHIVE = cache("node") / "python-3.11.tar"


def base_layer() -> BaseLayer:
    return BaseLayer(_ARCHIVE.read_bytes())


def build() -> None:
    """Downloads and unpacks Debian's packages, once."""
    if not _ARCHIVE.exists():
        _ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            _build(Path(folder))


def _build(folder: Path) -> None:
    root, packages = folder / "root", folder / "packages"
    for name in ("etc", "tmp", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "var"):
        (root / name).mkdir(parents=True)
    packages.mkdir()
    download = ["apt-get", "download", "-qq", *_PACKAGES]
    if subprocess.run(download, cwd=packages, check=False).returncode:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(download, cwd=packages, check=True)
    for name, target in _LINKS.items():
        (root / name).symlink_to(target)
    for package in packages.iterdir():
        files = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, stdout=subprocess.PIPE)
        unpack = ["tar", "-x", "--keep-directory-symlink", "--exclude=./usr/share/*", "-C", str(root)]
        subprocess.run(unpack, input=files.stdout, check=True)
    (root / "tmp").chmod(0o1777)
    unfinished = _ARCHIVE.with_suffix(".unfinished")
    owner = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]
    subprocess.run(["tar", *owner, "-C", str(root), "-cf", str(unfinished), "."], check=True)
    unfinished.replace(_ARCHIVE)


if __name__ == "__main__":
    build()

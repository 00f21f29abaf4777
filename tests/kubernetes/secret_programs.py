"""Build Vault, External Secrets and sealed-secrets from their Go modules, once.

`python -m tests.kubernetes.secret_programs` builds what is missing and prints the folder, which is named
after the versions. Each module is built in a copy with its own go.mod, which is changed as `secret_sources`
describes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.kubernetes import binaries
from tests.kubernetes.binaries import BinariesMissingError, cache
from tests.kubernetes.secret_sources import SOURCES, Source


def folder() -> Path:
    """Where the programs are or will be built."""
    return cache("secrets") / "-".join(
        f"{source.module.rpartition('/')[2]}-{source.version}" for source in SOURCES
    )


def locate(name: str) -> Path:
    """The file of a program; `BinariesMissingError` when it is missing."""
    value = folder() / name
    if not os.access(value, os.X_OK):
        raise BinariesMissingError(f"{value} is missing: run `make secret-managers`")
    return value


def crds() -> list[Path]:
    """The files of the custom resource definitions, which are kept beside the programs."""
    files = sorted((folder() / "crds").glob("*.yaml"))
    if not files:
        raise BinariesMissingError("the definitions of the operators are missing: run `make secret-managers`")
    return files


def define(kubeconfig: Path) -> None:
    """Apply the custom resource definitions of all operators to a cluster that runs."""
    files = [f"--filename={path}" for path in crds()]
    command = [str(binaries.locate() / "kubectl"), f"--kubeconfig={kubeconfig}", "apply", "--server-side"]
    subprocess.run([*command, *files], check=True, stdout=subprocess.DEVNULL)


def build() -> Path:
    """Build what is missing; return the folder. Minutes the first time, nothing afterwards."""
    target = folder()
    (target / "crds").mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        if any(not (target / name).exists() for name in source.programs):
            with tempfile.TemporaryDirectory(dir=target, prefix=".source-") as copy:
                _build(source, Path(copy) / "source", target)
        if any(not list((target / "crds").glob(Path(pattern).name)) for pattern in source.crds):
            module = _download(source)
            for crd in (file for pattern in source.crds for file in module.glob(pattern)):
                shutil.copyfile(crd, target / "crds" / crd.name)
    return target


def _build(source: Source, copy: Path, target: Path) -> None:
    shutil.copytree(_download(source), copy)
    for path in copy.rglob("*"):
        path.chmod(path.stat().st_mode | 0o200)
    for file, edits in source.edits.items():
        text = (copy / file).read_text()
        for before, after in edits:
            if before not in text:
                raise BinariesMissingError(f"{source.module}: {file} does not contain {before}")
            text = text.replace(before, after)
        (copy / file).write_text(text)
    for file, text in source.files.items():
        (copy / file).parent.mkdir(exist_ok=True)
        (copy / file).write_text(text)
    for module in source.dropped:
        _go(copy, "mod", "edit", f"-dropreplace={module}")
    for name, package in source.programs.items():
        if not (target / name).exists():
            print(f"Building {name} (once) into {target}", file=sys.stderr, flush=True)
            unfinished = target / f".{name}.{os.getpid()}"
            options = ["-mod=mod", "-trimpath", "-ldflags=-s -w", f"-tags={source.tags}"]
            _go(copy, "build", *options, "-o", str(unfinished), package)
            unfinished.replace(target / name)


def _download(source: Source) -> Path:
    """The module in the module cache, checked against the public checksums."""
    with tempfile.TemporaryDirectory() as empty:
        answer = _go(Path(empty), "mod", "download", "-json", f"{source.module}@{source.version}")
    return Path(json.loads(answer)["Dir"])


def _go(folder: Path, *arguments: str) -> str:
    program = shutil.which("go")
    if program is None:
        raise BinariesMissingError(
            "Go is missing: the secret managers are built from Go modules. Install Go 1.26"
        )
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    done = subprocess.run(
        [program, *arguments], cwd=folder, env=environment, text=True, check=False, stdout=subprocess.PIPE
    )
    if done.returncode:
        raise BinariesMissingError(f"`go {arguments[0]}` failed in {folder}; its words are above")
    return done.stdout


if __name__ == "__main__":
    try:
        print(build())
    except BinariesMissingError as problem:
        sys.exit(str(problem))

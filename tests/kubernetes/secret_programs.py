"""Build Vault, External Secrets and sealed-secrets from their Go modules, once.

`python -m tests.kubernetes.secret_programs` builds what is missing and prints the folder, which is named
after the versions. Each module is built in a copy with its own go.mod. The copies are changed: replacements
by folders, which a module from the proxy does not have, are dropped, and so is what takes minutes to
compile and no test uses.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.kubernetes.binaries import BinariesMissingError, cache


@dataclass(frozen=True)
class Source:
    """A Go module and the programs that are built from it."""

    module: str
    version: str
    programs: Mapping[str, str]
    """Name to package."""
    tags: str = ""
    dropped: tuple[str, ...] = ()
    """Modules whose replacements by folders are dropped."""
    edits: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """File to texts in it and what takes their place."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that are written anew."""
    crds: str = ""
    """Pattern of the files with custom resource definitions."""


_VAULT = "github.com/hashicorp/vault"
_PROVIDERS = "github.com/external-secrets/external-secrets/pkg/provider"
SOURCES = (
    Source(
        _VAULT,
        "v1.21.4",
        {
            "vault": ".",
            "postgresql-database-plugin": "./plugins/database/postgresql/postgresql-database-plugin",
            "vault-plugin-auth-kubernetes": (
                "github.com/hashicorp/vault-plugin-auth-kubernetes/cmd/vault-plugin-auth-kubernetes"
            ),
        },
        tags="minimal",
        dropped=tuple(
            f"{_VAULT}/{part}"
            for part in ("api", "api/auth/approle", "api/auth/kubernetes", "api/auth/userpass", "sdk")
        ),
        # The published sdk is older than the one in the folder.
        edits={
            "builtin/logical/transit/path_restore.go": (
                ("restoredKeyName, err := b.lm.", "restoredKeyName, err := keyName, b.lm."),
            ),
            "vault/identity_store.go": (
                (
                    "ActivationFunc: iStore.activateDeduplication",
                    "ActivationFunc: func(ctx context.Context, req *logical.Request, _ string) error "
                    "{ return iStore.activateDeduplication(ctx, req) }",
                ),
            ),
            "vault/logical_system_activation_flags.go": (
                ("ActivationFunc(ctx, nil)", 'ActivationFunc(ctx, nil, "")'),
            ),
        },
    ),
    Source(
        "github.com/external-secrets/external-secrets",
        "v0.16.2",
        {"external-secrets": "."},
        crds="config/crds/bases/external-secrets.io_*.yaml",
        files={
            "pkg/provider/register/register.go": (
                f'package register\n\nimport (\n\t_ "{_PROVIDERS}/fake"\n\t_ "{_PROVIDERS}/vault"\n)\n'
            )
        },
    ),
    Source(
        "github.com/bitnami-labs/sealed-secrets",
        "v0.40.0",
        {"sealed-secrets-controller": "./cmd/controller", "kubeseal": "./cmd/kubeseal"},
        crds="helm/sealed-secrets/crds/*.yaml",
        edits={
            # It serves a cluster from outside of it here.
            "pkg/controller/main.go": (
                ("rest.InClusterConfig()", 'clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))'),
                ("k8s.io/client-go/rest", "k8s.io/client-go/tools/clientcmd"),
            ),
        },
    ),
)


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
    return sorted((folder() / "crds").glob("*.yaml"))


def build() -> Path:
    """Build what is missing; return the folder. Minutes the first time, nothing afterwards."""
    target = folder()
    (target / "crds").mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        if any(not (target / name).exists() for name in source.programs):
            with tempfile.TemporaryDirectory(dir=target, prefix=".source-") as copy:
                _build(source, Path(copy) / "source", target)
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
    for crd in copy.glob(source.crds) if source.crds else ():
        shutil.copy(crd, target / "crds")


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

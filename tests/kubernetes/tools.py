"""Build Kustomize and Helm from their Go modules, once.

`python -m tests.kubernetes.tools` builds what is missing and prints the folder, which is named after the
versions in `modules/*/go.mod`.
"""

import os
import sys
from pathlib import Path

from tests.kubernetes.binaries import BinariesMissingError, cache, go, pinned

PACKAGES = {
    "kustomize": ("sigs.k8s.io/kustomize/kustomize/v5", "sigs.k8s.io/kustomize/kustomize/v5"),
    "helm": ("helm.sh/helm/v4", "helm.sh/helm/v4/cmd/helm"),
}
"""Program to its Go module and its package there."""


def folder() -> Path:
    """Where the programs are or will be built."""
    return cache("tools") / "-".join(f"{name}-{_version(name)}" for name in PACKAGES)


def locate() -> Path:
    """The folder that has both; `BinariesMissingError` when one is missing."""
    value = folder()
    if missing := [name for name in PACKAGES if not os.access(value / name, os.X_OK)]:
        raise BinariesMissingError(f"{', '.join(missing)} not found in {value}: run `make tools`")
    return value


def build() -> Path:
    """Build what is missing; return the folder. Minutes the first time, nothing afterwards."""
    target = folder()
    target.mkdir(parents=True, exist_ok=True)
    for name, (module, package) in PACKAGES.items():
        if (target / name).exists():
            continue
        print(f"Building {name} (once) into {target}", file=sys.stderr, flush=True)
        unfinished = target / f".{name}.{os.getpid()}"
        version = f"-X {module}/internal/version.version={_version(name)}" if name == "helm" else ""
        go(name, "build", "-trimpath", f"-ldflags=-s -w {version}", "-o", str(unfinished), package)
        unfinished.replace(target / name)
    return locate()


def _version(name: str) -> str:
    return pinned(name, PACKAGES[name][0])


if __name__ == "__main__":
    try:
        print(build())
    except BinariesMissingError as problem:
        sys.exit(str(problem))

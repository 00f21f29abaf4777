"""Build kube-apiserver, kube-controller-manager, kubectl and etcd from their Go modules, once.

`python -m tests.kubernetes.binaries` builds what is missing and prints the folder. The folder is named after
the versions in `modules/*/go.mod`, so a new version is built anew and an old one is left alone.
`KUBEBUILDER_ASSETS`, where set, is a folder with these programs and is taken as it is.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

MODULES = Path(__file__).parent / "modules"
KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kubectl")
PROGRAMS = (*KUBERNETES, "etcd")


class BinariesMissingError(Exception):
    """The control plane's programs are missing; the message explains how to build them."""


def pinned(module: str, path: str) -> str:
    """The version of the Go module `path` that `modules/<module>/go.mod` asks for, such as `v1.37.2`."""
    value = re.search(rf"\b{re.escape(path)} (v\S+)", (MODULES / module / "go.mod").read_text())
    if value is None:
        raise BinariesMissingError(f"modules/{module}/go.mod does not name {path}")
    return value[1]


def cache(name: str) -> Path:
    """A folder outside of the tree for what is built once."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "greenroom" / name


def folder() -> Path:
    """Where the programs are or will be built."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        return Path(assets)
    versions = (
        f"{pinned('kubernetes', 'k8s.io/kubernetes')}-etcd-{pinned('etcd', 'go.etcd.io/etcd/server/v3')}"
    )
    return cache("control-plane") / versions


def locate() -> Path:
    """The folder that has all programs; `BinariesMissingError` when one is missing."""
    value = folder()
    if missing := [name for name in PROGRAMS if not os.access(value / name, os.X_OK)]:
        raise BinariesMissingError(f"{', '.join(missing)} not found in {value}: run `make control-plane`")
    return value


def crds() -> list[Path]:
    """The files of the Gateway API's custom resource definitions (standard channel), in the module cache."""
    module = "sigs.k8s.io/gateway-api"
    answer = go("gateway", "mod", "download", "-json", module, capture=True)
    standard = Path(json.loads(answer)["Dir"]) / "config" / "crd" / "standard"
    return [
        standard / f"gateway.networking.k8s.io_{kind}.yaml"
        for kind in ("gatewayclasses", "gateways", "grpcroutes", "httproutes")
    ]


def build() -> Path:
    """Build what is missing; return the folder. Minutes the first time, nothing afterwards."""
    target = folder()
    if "KUBEBUILDER_ASSETS" in os.environ:
        return locate()
    target.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        if not (target / name).exists():
            print(f"Building {name} (once) into {target}", file=sys.stderr, flush=True)
            _build(name, target)
    crds()
    return locate()


def _build(name: str, target: Path) -> None:
    unfinished = target / f".{name}.{os.getpid()}"
    if name in KUBERNETES:
        version = pinned("kubernetes", "k8s.io/kubernetes")
        settings = f"-X k8s.io/component-base/version.gitVersion={version}"
        settings += f" -X k8s.io/client-go/pkg/version.gitVersion={version}"
        go(
            "kubernetes",
            "build",
            "-trimpath",
            f"-ldflags=-s -w {settings}",
            "-o",
            str(unfinished),
            f"k8s.io/kubernetes/cmd/{name}",
        )
    else:
        go("etcd", "build", "-trimpath", "-ldflags=-s -w", "-o", str(unfinished), "go.etcd.io/etcd/server/v3")
    unfinished.replace(target / name)


def go(module: str, *arguments: str, capture: bool = False) -> str:
    """Run `go` in `modules/<module>`; what it printed, when that is captured."""
    program = shutil.which("go")
    if program is None:
        raise BinariesMissingError(
            "Go is missing: the control plane and the tools are built from Go modules. Install Go 1.26 or "
            "newer; for the control plane, KUBEBUILDER_ASSETS may name a folder with kube-apiserver, "
            "kube-controller-manager, kubectl and etcd instead"
        )
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    done = subprocess.run(
        [program, *arguments],
        cwd=MODULES / module,
        env=environment,
        text=True,
        check=False,
        stdout=subprocess.PIPE if capture else None,
    )
    if done.returncode:
        raise BinariesMissingError(f"`go {arguments[0]}` failed in {MODULES / module}; its words are above")
    return done.stdout or ""


if __name__ == "__main__":
    try:
        print(build())
    except BinariesMissingError as problem:
        sys.exit(str(problem))

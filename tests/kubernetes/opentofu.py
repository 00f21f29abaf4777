"""Build OpenTofu from its Go module, once.

`python -m tests.kubernetes.opentofu` builds it if it is missing and prints the program. It is built in a copy
of its own module, whose `replace` directives would not apply elsewhere. Clients of clouds, for backends and
key providers that no test uses, are left out: they are most of the time that the build takes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.kubernetes.binaries import BinariesMissingError, cache, go, pinned

MODULE = "github.com/opentofu/opentofu"
_LEFT_OUT = {
    "internal/backend/init/init.go": r"remote-state/(azure|consul|cos|gcs|oss|pg|s3)\"|"
    r"backend(Azure|Consul|Cos|GCS|OSS|Pg|S3)\.",
    "internal/encryption/default_registry.go": r"keyprovider/(aws_kms|azure_vault|gcp_kms|openbao)\"",
}
"""Lines that are left out of a file."""
_REGISTRATION = re.compile(
    r"\tif err := DefaultRegistry\.RegisterKeyProvider\((?:aws_kms|azure_vault|gcp_kms|openbao)\.New\(\)\); "
    r"err != nil \{\n\t\tpanic\(err\)\n\t\}\n"
)


def program() -> Path:
    """Where the program is or will be built."""
    return cache("tools") / f"opentofu-{pinned('opentofu', MODULE)}" / "tofu"


def locate() -> Path:
    """The program; `BinariesMissingError` when it is missing."""
    path = program()
    if not os.access(path, os.X_OK):
        raise BinariesMissingError(f"{path} not found: run `make tools`")
    return path


def build() -> Path:
    """Build it unless it is there. Minutes the first time."""
    path = program()
    if path.exists():
        return locate()
    print(f"Building tofu (once) into {path.parent}", file=sys.stderr, flush=True)
    source = Path(json.loads(go("opentofu", "mod", "download", "-json", MODULE, capture=True))["Dir"])
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".tofu.{os.getpid()}")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(source, Path(folder) / "opentofu"))
        _leave_out(copy)
        command = ["go", "build", "-trimpath", f"-ldflags=-s -w -X {MODULE}/version.dev=no"]
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
        done = subprocess.run(
            [*command, "-o", str(unfinished), "./cmd/tofu"], cwd=copy, env=environment, check=False
        )
    if done.returncode:
        raise BinariesMissingError(f"`go build` failed for {MODULE}; its words are above")
    unfinished.replace(path)
    return locate()


def _leave_out(copy: Path) -> None:
    for folder in (copy, *filter(Path.is_dir, copy.rglob("*"))):
        folder.chmod(0o755)  # the module cache is read-only
    for name, left_out in _LEFT_OUT.items():
        path = copy / name
        text = _REGISTRATION.sub("", path.read_text())
        path.chmod(0o644)
        lines = (line for line in text.splitlines(keepends=True) if not re.search(left_out, line))
        path.write_text("".join(lines))


if __name__ == "__main__":
    try:
        print(build())
    except BinariesMissingError as problem:
        sys.exit(str(problem))

"""The module of an environment's infrastructure, and its digest. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from bot.model.errors import Rejected
from bot.model.infrastructure import InfrastructureRequest
from bot.model.secret import keyed_digest

MAX_MODULE_BYTES = 900_000
"""Kubernetes stores at most 1 MiB in one object."""
_MAX_FILES = 200
_OVERRIDE = re.compile(r"(?:.+_)?override\.(?:tf|tofu)(?:\.json)?")
_CODE = (".tf", ".tf.json", ".tofu", ".tofu.json")


def module_files(files: Mapping[str, bytes], folder: str) -> Mapping[str, bytes]:
    """The files below the folder, by path from there. Raises Rejected for a module that cannot be run."""
    prefix = f"{folder}/" if folder else ""
    paths = [path for path in files if path.startswith(prefix) and "/.terraform/" not in f"/{path}"]
    module = {path.removeprefix(prefix): files[path] for path in sorted(paths)}
    root = [path for path in module if "/" not in path]
    shown = folder or "the root of the repository"
    if not any(path.endswith(_CODE) for path in root):
        raise Rejected(f"`infrastructure.terraform` names {shown}, which has no file that ends with .tf.")
    overriding = [path for path in root if _OVERRIDE.fullmatch(path)]
    if overriding:
        raise Rejected(
            f"{overriding[0]} of the Terraform module is an override file, which could move the state. "
            "Write its content into the files that it overrides."
        )
    size = sum(map(len, module.values()))
    if len(module) > _MAX_FILES or size > MAX_MODULE_BYTES:
        raise Rejected(
            f"The Terraform module has {len(module)} files with {size} bytes. At most {_MAX_FILES} files "
            f"with {MAX_MODULE_BYTES} bytes are possible."
        )
    return module


def request_digest(request: InfrastructureRequest, image: str, refreshes: int, key: bytes) -> str:
    """Changes with everything that a plan depends on. Keyed, because it covers secret values."""
    parts = [
        image,
        refreshes,
        {path: hashlib.sha256(content).hexdigest() for path, content in request.files.items()},
        dict(request.variables),
    ]
    return keyed_digest(key, parts)[:24]

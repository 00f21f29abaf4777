"""The objects in deploy/, read without Kustomize."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"


def objects(folder: str) -> list[dict[str, Any]]:
    """All objects that the folder's kustomization names, its patches and other folders left out."""
    kustomization = yaml.safe_load((DEPLOY / folder / "kustomization.yaml").read_text())
    files = [DEPLOY / folder / name for name in kustomization["resources"] if name.endswith(".yaml")]
    return [manifest for file in files for manifest in yaml.safe_load_all(file.read_text())]


def settings() -> dict[str, str]:
    """What the base puts into the ConfigMap."""
    kustomization = yaml.safe_load((DEPLOY / "base" / "kustomization.yaml").read_text())
    (generator,) = kustomization["configMapGenerator"]
    return dict(literal.split("=", 1) for literal in generator["literals"])


def single(kind: str, folder: str = "base", name: str = "") -> dict[str, Any]:
    """The only object of the kind, or of the kind and name."""
    (manifest,) = [
        candidate
        for candidate in objects(folder)
        if candidate["kind"] == kind and name in ("", candidate["metadata"]["name"])
    ]
    return manifest

"""Small applications in the shapes that real ones have, each with the `.greenroom.yml` that it needs."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
PLAIN = (
    "custom-resources",
    "grpc",
    "monorepo",
    "node-port",
    "own-ingress",
    "root",
    "two-front-ends",
    "worker",
)
"""Applications that need no other program."""
WITH_TOOLS = ("chart", "overlays")
"""Applications with Helm or Kustomize."""


def gallery_files(name: str) -> dict[str, bytes]:
    """The files of an application, by their paths in its repository."""
    folder = FOLDER / name
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }

"""The files of a checkout, by path, and the YAML documents in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from posixpath import basename
from typing import Any

from bot.config.documents import DocumentError, yaml_documents

Files = Mapping[str, bytes]

_DOCKERFILE = re.compile(r"(.*\.)?(Dockerfile|Containerfile)(\..+)?", re.IGNORECASE)
_LARGEST = 2**20


def documents(files: Files, path: str) -> Iterator[dict[str, Any]]:
    """The mappings in a YAML file; none if it is not YAML, as a template of a chart, or does not exist."""
    content = files.get(path, b"")
    if len(content) > _LARGEST:
        return
    try:
        for document in yaml_documents(content.decode("utf-8-sig")):
            if isinstance(document.value, dict):
                yield document.value
    except (DocumentError, UnicodeDecodeError):
        return


def dockerfiles(files: Files) -> list[str]:
    """The files from which images are built."""
    return sorted(path for path in files if _DOCKERFILE.fullmatch(basename(path)))


def is_inside(folder: str, root: str) -> bool:
    return not root or folder == root or folder.startswith(f"{root}/")

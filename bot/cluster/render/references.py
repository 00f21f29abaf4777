"""What Kustomize and Helm would fetch from elsewhere. Pure: a reference as it is written, to its host."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from bot.model.errors import ManifestRefused

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_USER = re.compile(r"[a-z][a-z0-9-]*@(?P<host>[^/:]*)", re.IGNORECASE)
_GITHUB = re.compile(r"github\.com[/:]", re.IGNORECASE)


def remote_host(reference: str) -> str | None:
    """HOST or HOST:PORT that a reference names, "" for one that names none; None for a path."""
    text = reference.strip()
    while text[:5].lower() == "git::":
        text = text[5:]
    if _GITHUB.match(text):
        return "github.com"
    if _SCHEME.match(text):
        try:
            parts = urlsplit(text)
            return parts.netloc.rpartition("@")[2].lower()
        except ValueError:
            return ""
    user = _USER.match(text)
    return user["host"].lower() if user else None


class CommitTree:
    """The paths of a commit, and which hosts the operator lets manifests be fetched from."""

    def __init__(self, files: Mapping[str, bytes], hosts: Collection[str]) -> None:
        self._folders = {"", *(folder for path in files for folder in _above(path))}
        self.files = files
        self._hosts = hosts

    def is_folder(self, path: str) -> bool:
        return path in self._folders

    def require_allowed(self, found: str, where: str) -> None:
        """ManifestRefused, which begins with `where`, unless this host may be asked."""
        if not found:
            raise ManifestRefused(f"{where}: only paths inside the repository may be named.")
        if found not in self._hosts:
            raise ManifestRefused(
                f"{where}: it would be fetched from {found}, which the operator does not allow. Keep a copy "
                "in the repository, or have the host added to GREENROOM_RENDER_HOSTS."
            )

    def resolve(self, reference: str, folder: str, where: str) -> str:
        """The path from the root that a reference in a file of `folder` leads to; ManifestRefused when
        it leads nowhere in this commit."""
        if reference.startswith("/"):
            raise ManifestRefused(f"{where}: a path is relative, and this one begins with `/`.")
        parts = folder.split("/") if folder else []
        for part in reference.split("/"):
            if part == ".." and not parts:
                raise ManifestRefused(f"{where}: `{reference}` leads out of the repository.")
            if part == "..":
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        path = "/".join(parts)
        if path not in self.files and path not in self._folders:
            raise ManifestRefused(f"{where}: this commit has no `{path}`.")
        return path


def _above(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]

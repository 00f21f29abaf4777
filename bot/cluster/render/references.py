"""References in kustomizations and charts: to paths of the commit or to remote hosts. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import parse_qs, urlsplit

from bot.model.commit_files import require_read
from bot.model.errors import ManifestRefused

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_USER = re.compile(r"[a-z][a-z0-9-]*@(?P<host>[^/:]*)", re.IGNORECASE)
_FIXED = re.compile(r"[0-9a-f]{40}|v?[0-9]+(\.[0-9]+)+([.+-][0-9A-Za-z.+-]*)?")
_GITHUB = re.compile(r"github\.com[/:]", re.IGNORECASE)


def remote_host(reference: str) -> str | None:
    """The HOST or HOST:PORT of a reference, "" for a URL without host; None for a path."""
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


def is_fixed(reference: str) -> bool:
    """Whether a remote reference names a commit or the tag of a version, whose content stays the same.

    Any part of a path may be the version, as in the address of a file; a branch may have any other name.
    """
    path, _, query = reference.partition("?")
    values = parse_qs(query)
    refs = [ref for name in ("ref", "version") for ref in values.get(name, ())]
    return any(_FIXED.fullmatch(part) for part in refs or path.split("/"))


class CommitTree:
    """The paths of a commit, and the remote hosts that the operator allows."""

    def __init__(self, files: Mapping[str, bytes], hosts: Collection[str]) -> None:
        self._folders = {"", *(folder for path in files for folder in _parents(path))}
        self.files = files
        self._hosts = hosts

    def is_folder(self, path: str) -> bool:
        return path in self._folders

    def require_allowed(self, remote: str, place: str) -> None:
        """Raises ManifestRefused unless the remote host is allowed; the message begins with `place`."""
        if not remote:
            raise ManifestRefused(f"{place}: only paths inside the repository are allowed.")
        if remote not in self._hosts:
            raise ManifestRefused(
                f"{place}: this is fetched from {remote}, which the operator does not allow. Keep a copy in "
                "the repository, or ask the operator to add the host to GREENROOM_RENDER_HOSTS."
            )

    def resolve(self, reference: str, folder: str, place: str) -> str:
        """The path from the root for a reference in a file of `folder`.

        Raises ManifestRefused when the commit has no such path.
        """
        if reference.startswith("/"):
            raise ManifestRefused(f"{place}: `{reference}` is absolute; use a relative path.")
        parts = folder.split("/") if folder else []
        for part in reference.split("/"):
            if part == ".." and not parts:
                raise ManifestRefused(f"{place}: `{reference}` is outside of the repository.")
            if part == "..":
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        path = "/".join(parts)
        require_read(self.files, path)
        if path in self.files:
            self.files[path]  # raises for one that cannot be used
        if path not in self.files and path not in self._folders:
            raise ManifestRefused(f"{place}: `{path}` does not exist in this commit.")
        return path


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]

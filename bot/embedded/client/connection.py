"""The connection to an API server, read from a kubeconfig or given, and the errors that it returns."""

import base64
import json
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Connection:
    """`url` without a path; certificates in PEM. The token and the key never show in a repr."""

    url: str
    token: str | None = field(default=None, repr=False)
    authority: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)
    insecure: bool = False

    @classmethod
    def from_kubeconfig(cls, path: str | Path, context: str | None = None) -> "Connection":
        """Read a kubeconfig's current (or the named) context. Raises ValueError for a missing entry."""
        file = Path(path)
        config = yaml.safe_load(file.read_text()) or {}
        requested = context or config.get("current-context")
        chosen = _named(config, "contexts", requested, file)["context"]
        cluster = _named(config, "clusters", chosen["cluster"], file)["cluster"]
        user = _named(config, "users", chosen["user"], file).get("user") or {}
        return cls(
            url=str(cluster["server"]).rstrip("/"),
            token=user.get("token") or _file(file, user.get("tokenFile")),
            authority=_pem(file, cluster, "certificate-authority"),
            certificate=_pem(file, user, "client-certificate"),
            key=_pem(file, user, "client-key"),
            insecure=bool(cluster.get("insecure-skip-tls-verify")),
        )

    def tls(self) -> ssl.SSLContext | bool:
        """The value for `verify` of httpx; True for plain http."""
        if not self.url.startswith("https:"):
            return True
        context = ssl.create_default_context(cadata=self.authority)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate and self.key:
            # OpenSSL reads a key from a file only; this one is private and gone at once.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:
                os.fchmod(pair.fileno(), 0o600)
                pair.write(f"{self.certificate}\n{self.key}\n")
                pair.flush()
                context.load_cert_chain(pair.name)
        return context


def _named(config: dict[str, Any], section: str, name: str | None, file: Path) -> dict[str, Any]:
    for entry in config.get(section) or []:
        if entry.get("name") == name:
            return dict(entry)
    raise ValueError(f"{file} has no entry {name!r} in {section}")


def _pem(kubeconfig: Path, section: dict[str, Any], key: str) -> str | None:
    if data := section.get(f"{key}-data"):
        return base64.b64decode(data).decode()
    return _file(kubeconfig, section.get(key))


def _file(kubeconfig: Path, name: str | None) -> str | None:
    """Paths in a kubeconfig are relative to it."""
    return (kubeconfig.parent / name).read_text().strip() if name else None


class ApiError(Exception):
    """The API server refused: HTTP `status`, Kubernetes' `reason` (`AlreadyExists`) and its `message`."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

    @classmethod
    def of(cls, status: int, body: bytes) -> "ApiError":
        """Read an error; a body other than a Kubernetes `Status` (a proxy's page) is quoted in part."""
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            return cls(status, "Unknown", body[:200].decode(errors="replace"))
        return cls(status, str(answer.get("reason") or "Unknown"), str(answer.get("message") or ""))

    @property
    def not_found(self) -> bool:
        return self.status == 404

    @property
    def exists(self) -> bool:
        """A create met an object of that name."""
        return self.status == 409 and self.reason == "AlreadyExists"

    @property
    def conflict(self) -> bool:
        """Another writer changed the object first, or owns the field: read it again."""
        return self.status == 409 and self.reason != "AlreadyExists"

    @property
    def gone(self) -> bool:
        """The resource version is too old to watch from: list again."""
        return self.status == 410

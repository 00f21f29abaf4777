"""Where the credentials go: a private file, or a Secret of the cluster."""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import NAMESPACE, SECRET
from bot.model.errors import GreenroomError

SECRET_NAME = "greenroom-secrets"  # noqa: S105  # a name
_PLAIN = re.compile(r"[A-Za-z0-9_.:/@%+,=-]*")


class NotWritable(GreenroomError):
    """Nothing was written; the message explains what to do."""


class PrivateFile:
    """A file that only its owner can read."""

    def __init__(self, path: Path, *, force: bool) -> None:
        self._path = path
        self._force = force

    def check(self) -> None:
        """Raises NotWritable when `write` would fail or overwrite something."""
        folder = self._path.resolve().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise NotWritable(f"The folder {folder} does not exist or is not writable. Choose another path.")
        if self._path.is_dir():
            raise NotWritable(f"{self._path} is a folder. Choose the path of a file.")
        if not self._force and os.path.lexists(self._path):
            raise NotWritable(f"{self._path} exists. Choose another path, or add --force to replace it.")

    def write_variables(self, values: Mapping[str, str]) -> str:
        """Writes `NAME=VALUE` lines; returns the path."""
        return self.write("".join(f"{name}={_quoted(value)}\n" for name, value in values.items()))

    def write(self, text: str) -> str:
        """Writes to a new file and moves it to its place, so that the content is never readable by others."""
        unfinished = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
                file.write(text)
            if self._force:
                unfinished.replace(self._path)
            else:
                os.link(unfinished, self._path)
        except FileExistsError:
            raise NotWritable(f"{self._path} exists. Choose another path, or add --force.") from None
        except OSError as error:
            raise NotWritable(f"{self._path} cannot be written: {error.strerror}.") from None
        finally:
            unfinished.unlink(missing_ok=True)
        return str(self._path)


class ClusterSecret:
    """The Secret that the bot's Deployment reads, by server-side apply."""

    def __init__(self, api: KubernetesApi, namespace: str, *, force: bool) -> None:
        self._api = api
        self._namespace = namespace
        self._force = force

    async def check(self) -> None:
        """Creates the namespace if it does not exist, and tries the write. Raises a GreenroomError."""
        if await self._api.find(NAMESPACE, self._namespace) is None:
            await self._api.create(
                NAMESPACE,
                {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {
                        "name": self._namespace,
                        "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
                    },
                },
            )
        if not self._force and await self._api.find(SECRET, SECRET_NAME, self._namespace) is not None:
            raise NotWritable(
                f"The Secret {self._namespace}/{SECRET_NAME} exists. Delete it, or add --force to replace "
                "its values."
            )
        await self._api.apply(self._manifest({}), dry_run=True)

    async def write(self, values: Mapping[str, str]) -> str:
        """Stores the variables; returns the name of the Secret."""
        await self._api.apply(self._manifest(values))
        return f"the Secret {self._namespace}/{SECRET_NAME}"

    def _manifest(self, values: Mapping[str, str]) -> dict[str, object]:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": SECRET_NAME,
                "namespace": self._namespace,
                "labels": {"app.kubernetes.io/name": "greenroom"},
            },
            "type": "Opaque",
            "data": {name: base64.b64encode(value.encode()).decode() for name, value in values.items()},
        }


def _quoted(value: str) -> str:
    """A value on one line, as shells, systemd and Docker Compose read it."""
    line = value.strip().replace("\n", "\\n")
    if _PLAIN.fullmatch(line):
        return line
    if "'" in line:
        raise NotWritable("A value contains a quotation mark and cannot be written to a file of variables.")
    return f"'{line}'"

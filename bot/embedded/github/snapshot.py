"""The whole GitHub in one file, so that a demo can be stopped and taken up again."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from .credentials import AppCredentials
from .state.world import State


class Snapshot(msgspec.Struct):
    credentials: AppCredentials
    state: State


def load(path: Path) -> Snapshot | None:
    """None when there is no file yet. Raises ValueError when it is not a snapshot."""
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Snapshot)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is not a snapshot of the embedded GitHub: {error}") from error


def save(path: Path, snapshot: Snapshot) -> None:
    """Replace the file in one step. It holds secrets: only its owner may read it."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(snapshot))
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)

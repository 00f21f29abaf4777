"""Sentences about the data of an environment. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from bot.environments.data_reasons import (
    DataReason,
    DeletingData,
    JobFailed,
    JobWaiting,
    MigrationsPassed,
    NewDataImpossible,
    Seeded,
)
from bot.github.messages.markdown import clause

_MAX_COMMAND = 80


def describe_data(reason: DataReason) -> str:
    """One sentence; `environment_reasons.describe` ends it with a full stop."""
    match reason:
        case DeletingData(objects):
            return f"Waiting for the previous data to be deleted: {', '.join(objects)}."
        case NewDataImpossible(missing):
            return f"The data is kept until what makes the new data exists: {', '.join(missing)}."
        case JobWaiting(job, message):
            return f"Waiting for the {job}: {message}"
        case JobFailed(job, command, message, attempts):
            tried = f" ({attempts} attempts)" if attempts > 1 else ""
            return f"The {job} {_command(command)} failed: {clause(message)}{tried}"
        case MigrationsPassed(command, on_existing_data):
            return f"{_command(command)} ran on {'existing' if on_existing_data else 'new'} data."
        case Seeded(command):
            return f"The seed {_command(command)} ran."
        case unknown:
            assert_never(unknown)


def _command(words: Iterable[str]) -> str:
    text = " ".join(words).replace("`", "'").replace("\n", " ")
    return f"`{text if len(text) <= _MAX_COMMAND else text[: _MAX_COMMAND - 1] + '…'}`"

"""Reads the YAML files that settings name, into models. Every error names the line and the field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.config.documents import Document, DocumentError, line_of, yaml_documents
from bot.config.documents import Path as Field
from bot.config.loader import problem_message
from bot.settings import SettingsError, variable

_MAX_PROBLEMS = 10


class OperatorModel(BaseModel):
    """Unknown fields are errors, and errors contain no values, which can be secrets."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


ModelT = TypeVar("ModelT", bound=OperatorModel)


@dataclass(frozen=True, slots=True)
class OperatorFile(Generic[ModelT]):
    """A valid file, with the lines of its fields."""

    setting: str
    """The field of Settings that names the file."""
    path: str
    content: ModelT
    document: Document

    def error(self, problems: Sequence[tuple[Field, str]]) -> SettingsError:
        """The error for problems that the model alone does not detect."""
        lines = [_line(self.document, field, message) for field, message in problems]
        return _error(self.setting, self.path, lines)


def read_operator_file(setting: str, path: str, model: type[ModelT]) -> OperatorFile[ModelT]:
    """Reads a file that a setting names. Raises SettingsError with one line per problem."""
    try:
        document = _read(path, model)
        content = model.model_validate(document.value)
    except DocumentError as error:
        raise _error(setting, path, [f"line {error.line or 1}: {error}"]) from None
    except ValidationError as error:
        problems = [_problem(document, details) for details in error.errors(include_input=False)]
        raise _error(setting, path, problems) from None
    return OperatorFile(setting, path, content, document)


def _read(path: str, model: type[OperatorModel]) -> Document:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise DocumentError("the file cannot be read as text") from None
    documents = list(yaml_documents(text))
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise DocumentError(f"expected one mapping with the fields: {', '.join(model.model_fields)}", 1)
    return documents[0]


def _problem(document: Document, details: Any) -> str:
    field = tuple(part for part in details["loc"] if part != "[key]")
    return _line(document, field, problem_message(details))


def _line(document: Document, field: Field, message: str) -> str:
    name = ""
    for part in field:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else str(part)
    return f"line {line_of(document.lines, field)}, {name or 'the file'}: {message}"


def _error(setting: str, path: str, lines: Sequence[str]) -> SettingsError:
    return SettingsError(
        [f"{variable(setting)} is invalid: {path}, {line}" for line in lines[:_MAX_PROBLEMS]]
    )

"""Reads and validates `.greenroom.yml`. Every error names the line and the field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import ValidationError

from bot.config.documents import Document, DocumentError, Path, line_of, yaml_documents
from bot.config.fields import Problem
from bot.config.infrastructure import infrastructure_problems
from bot.config.manifests import preview_problems
from bot.config.rollouts import rollout_problems
from bot.config.route_problems import route_problems
from bot.config.scalars import Scalar, scalar
from bot.config.schema import Configuration
from bot.config.stages import pipeline_problems
from bot.config.suggestions import similar_field
from bot.model.environment import EnvironmentKey
from bot.model.errors import ConfigurationError
from bot.model.hosts import HostGrants
from bot.model.repository import Repository
from bot.model.size import Size

CONFIG_FILE = ".greenroom.yml"

_MAX_CHARACTERS = 64 * 1024
_MAX_VALUES = 5000
"""The event loop reads files of this size in 15 ms."""
_EXPONENT = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+")
_LETTERS = frozenset("yYnN")
_MAX_PROBLEMS = 10
"""More are usually consequences of the first ones."""

_MESSAGES: Mapping[str, str] = {
    "extra_forbidden": "unknown field",
    "missing": "required field is missing",
    "model_type": "expected a mapping of fields (`{{}}` for an empty one)",
    "dict_type": "expected a mapping of names to values",
    "mapping_type": "expected a mapping of names to values",
    "string_type": "expected text; put the value in quotes",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "tuple_type": "expected a list, such as [first, second]",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
    "bool_type": "expected `true` or `false`",
    "bool_parsing": "expected `true` or `false`",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "less_than": "must be less than {lt}",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "enum": "expected {expected}",
    "literal_error": "expected {expected}",
}
"""Messages by pydantic's error type."""
_OWN_MESSAGES = ("value_error", "assertion_error")
"""Errors of validators with messages of their own."""


def parse_configuration(text: str, largest: Size | None = None) -> Configuration:
    """Raises ConfigurationError with one line per problem.

    `largest` is the operator's limit for `preview.size`; without it, no limit applies.
    """
    document = _read(text)
    try:
        context = {"largest": largest, "lines": document.lines}
        configuration = Configuration.model_validate(document.value, context=context)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        problems = [(tuple(details["loc"]), _message(details)) for details in errors[:_MAX_PROBLEMS]]
        raise _mistakes(problems, len(errors), document) from None
    else:
        problems = pipeline_problems(configuration.stages, configuration.demo)
        problems += route_problems(configuration)
        problems += preview_problems(configuration.manifests, configuration.preview.manifests)
        sections = {
            path: (section.infrastructure, frozenset((*section.config, *section.secrets)))
            for path, section in configuration.environment_sections.items()
        }
        problems += infrastructure_problems(configuration.infrastructure, sections)
        policies = {name: (stage.rollout, stage.ephemeral) for name, stage in configuration.stages.items()}
        problems += rollout_problems(policies, routed=bool(configuration.routing))
        if not problems:
            return configuration
    raise _mistakes(problems, len(problems), document)


def _mistakes(problems: Sequence[Problem], number: int, document: Document) -> ConfigurationError:
    """The first mistakes, and how many more there are."""
    shown = [_format(problem, document.lines) for problem in problems[:_MAX_PROBLEMS]]
    more = number - len(shown)
    if more:
        shown.append(f"and {more} more mistake{'s' * (more > 1)}")
    return ConfigurationError("\n".join(shown))


def host_objection(
    configuration: Configuration, text: str, key: EnvironmentKey, repository: Repository, grants: HostGrants
) -> str | None:
    """Why the stage cannot have a host that it names, with line and field; None when it can have all."""
    stage = configuration.find_stage(key)
    for path, host in stage.own_hosts.items() if stage is not None else ():
        reason = grants.objection(host, repository)
        if reason is not None:
            return _format((("stages", key.name, *path), reason), _read(text).lines)
    return None


def field_line(text: str, *path: str) -> int:
    """The line of a field in a valid configuration."""
    return _read(text).lines.get(path, 1)


def _read(text: str) -> Document:
    """The file's only document, a mapping; ConfigurationError for anything else."""
    if len(text) > _MAX_CHARACTERS:
        raise ConfigurationError(f"{CONFIG_FILE} is larger than {_MAX_CHARACTERS // 1024} KiB")
    try:
        documents = list(islice(yaml_documents(text, resolve=_resolve, limit=_MAX_VALUES), 2))
    except DocumentError as error:
        raise ConfigurationError(f"{CONFIG_FILE}, line {error.line or 1}: {error}") from None
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise ConfigurationError(f"{CONFIG_FILE}, line 1: expected one mapping that starts with `version: 1`")
    return documents[0]


def _resolve(text: str, tag: str | None, plain: bool) -> Scalar:
    """Resolves scalars as in manifests, except that unquoted ids such as 4123e5678901 and `y` are text."""
    if plain and tag is None and (_EXPONENT.fullmatch(text) or text in _LETTERS):
        return text
    return scalar(text, tag, plain)


def _format(problem: Problem, lines: Mapping[Path, int]) -> str:
    named, message = problem
    path = tuple(part for part in named if not str(part).startswith("["))
    field = ".".join(map(str, path)) or "the file"
    return f"{CONFIG_FILE}, line {line_of(lines, path)}, {field}: {message}"


def _message(details: Any) -> str:
    message = problem_message(details)
    if details["type"] != "extra_forbidden":
        return message
    similar = similar_field(Configuration, details["loc"])
    return f"{message}; did you mean `{similar}`?" if similar else message


def problem_message(details: Any) -> str:
    """The message of an error of pydantic, for any schema."""
    kind = details["type"]
    if kind in _OWN_MESSAGES:
        return str(details["msg"]).partition(", ")[2]
    return _MESSAGES.get(kind, "is not valid here").format(**details.get("ctx") or {})

"""The fields of GitHub's webhook payloads that the bot uses.

Undeclared fields are skipped. A declared field of the wrong type counts as absent, so payloads of all server
versions can be read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, get_args

import msgspec


class InvalidPayload(ValueError):
    """The body is not a JSON object in UTF-8."""


class _Fields(msgspec.Struct, frozen=True, gc=False):
    """Base of all payload objects."""


class PayloadOwner(_Fields, frozen=True, gc=False):
    login: str | None = None
    name: str | None = None
    """Sent instead of `login` in push events of old servers."""


class Repository(_Fields, frozen=True, gc=False):
    id: int | None = None
    name: str | None = None
    full_name: str | None = None
    owner: PayloadOwner | None = None
    default_branch: str | None = None


class Installation(_Fields, frozen=True, gc=False):
    id: int | None = None


class Head(_Fields, frozen=True, gc=False):
    sha: str | None = None


class PullRequest(_Fields, frozen=True, gc=False):
    number: int | None = None
    state: str | None = None
    head: Head | None = None


class Changes(_Fields, frozen=True, gc=False):
    base: Any = None


class Run(_Fields, frozen=True, gc=False):
    """A check run or check suite."""

    head_sha: str | None = None
    external_id: str | None = None
    """The environment of one of our check runs; `pull_requests` is empty for a fork's pull request."""


class MergeGroup(_Fields, frozen=True, gc=False):
    head_sha: str | None = None


class Commit(_Fields, frozen=True, gc=False):
    added: list[str] | None = None
    modified: list[str] | None = None
    removed: list[str] | None = None


class User(_Fields, frozen=True, gc=False):
    type: str | None = None


class Comment(_Fields, frozen=True, gc=False):
    id: int | None = None
    body: str | None = None
    user: User | None = None


class PullRequestOfIssue(_Fields, frozen=True, gc=False):
    """Present only when the issue is a pull request."""


class Issue(_Fields, frozen=True, gc=False):
    number: int | None = None
    pull_request: PullRequestOfIssue | None = None


class Payload(_Fields, frozen=True, gc=False):
    action: str | None = None
    repository: Repository | None = None
    installation: Installation | None = None
    number: int | None = None
    pull_request: PullRequest | None = None
    changes: Changes | None = None
    check_run: Run | None = None
    check_suite: Run | None = None
    merge_group: MergeGroup | None = None
    sha: str | None = None
    state: str | None = None
    ref: str | None = None
    commits: list[Commit] | None = None
    issue: Issue | None = None
    comment: Comment | None = None
    sender: PayloadOwner | None = None
    repositories: list[Repository] | None = None
    repositories_added: list[Repository] | None = None
    repositories_removed: list[Repository] | None = None


_decode = msgspec.json.Decoder(Payload).decode
_F = TypeVar("_F", bound=_Fields)


def read_payload(body: bytes) -> Payload:
    """Parses the body; InvalidPayload is the only error, for any body."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidPayload("The body is not UTF-8.") from error
    try:
        return _decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return _lenient(Payload, _read_any_object(text))


def _read_any_object(text: str) -> dict[str, Any]:
    """Reads JSON that the strict decoder rejects: lone surrogates and integers of any length."""
    try:
        value = json.loads(text, parse_int=_whole_number, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidPayload("The body is not JSON.") from error
    if not isinstance(value, dict):
        raise InvalidPayload("The body is not a JSON object.")
    return value


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float("nan")


def _reject_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _lenient(kind: type[_F], value: dict[str, Any]) -> _F:
    """Builds the struct from the valid fields; the others keep their default."""
    types = _types(kind)
    return kind(**{types[name][0]: _converted(types[name][1], value[name]) for name in types.keys() & value})


@cache
def _types(kind: type[_Fields]) -> Mapping[str, tuple[str, Any]]:
    """Attribute and type of each field by its name in JSON."""
    return {field.encode_name: (field.name, field.type) for field in msgspec.structs.fields(kind)}


def _converted(kind: Any, value: Any) -> Any:
    for option in get_args(kind) or (kind,):
        if isinstance(option, type) and issubclass(option, _Fields) and isinstance(value, dict):
            return _lenient(option, value)
        if get_args(option) and isinstance(value, list):
            items = (_converted(get_args(option)[0], item) for item in value)
            return [item for item in items if item is not None]
    try:
        converted = msgspec.convert(value, kind)
        if isinstance(converted, str):
            converted.encode()
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
    return converted

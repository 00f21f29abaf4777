"""What an unsuccessful answer of the API server means to the caller."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.model.errors import Rejected, Unavailable

Object = dict[str, Any]

_TEMPORARY = frozenset((401, 408, 429))
"""Statuses that pass with time or after an operator's fix, and that the manifests do not cause."""
_MAX_RETRY_SECONDS = 300
_INVALID_FIELD = ("failed to create typed patch object", "failed to convert new object")
"""Messages with which server-side apply refuses a field of the wrong type or name, with status 500."""


_IMMUTABLE = re.compile(
    r"\bis immutable\b|may not change once set|cannot change roleRef|may not be changed in an update"
    r"|updates to [a-z]+ spec for fields other than|pod updates may not change fields"
)
"""Messages of Kubernetes' validations for a field of an existing object that cannot change."""


class Refused(Rejected):
    """The API server refused: HTTP status and Kubernetes' reason, such as `NotFound`; its words as detail."""

    def __init__(
        self,
        message: str,
        status: int,
        reason: str,
        detail: str = "",
        *,
        of_namespace: bool = False,
        immutable_fields: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, detail)
        self.status = status
        self.reason = reason
        self.of_namespace = of_namespace
        """Whether the status concerns the namespace, not the object in it."""
        self.immutable_fields = immutable_fields
        """Paths of the fields that cannot change, if nothing else is wrong with the object."""

    @property
    def not_found(self) -> bool:
        return self.status == 404

    @property
    def already_exists(self) -> bool:
        return self.reason == "AlreadyExists"


class Conflict(Unavailable):
    """Another writer changed the object first; read it again."""


class Expired(Exception):
    """The watched version is too old; the caller must list again."""


def error_of(subject: str, status: int, body: bytes, headers: Mapping[str, str]) -> Exception:
    """The exception for an answer that is not successful: Expired, Conflict, Unavailable or Refused."""
    answer = _status(body)
    reason = str(answer.get("reason") or status)
    message = str(answer.get("message") or body[:500].decode(errors="replace")).strip()
    if status == 410:
        return Expired()
    sentence = f"Kubernetes refused {subject}: {message}"
    if status == 409 and reason != "AlreadyExists":
        return Conflict(sentence)
    failed = status >= 500 and not message.startswith(_INVALID_FIELD)
    if failed or status in _TEMPORARY:
        return Unavailable(sentence, _retry_at(headers))
    if _is_temporary(answer, message):
        return Unavailable(sentence)
    if status == 404 and not answer.get("details", {}).get("name"):
        sentence = (
            f"The cluster does not serve the kind of {subject}. The operator must install it: {message}"
        )
    of_namespace = answer.get("details", {}).get("kind") == "namespaces"
    immutable = _immutable_fields(answer) if reason == "Invalid" else ()
    return Refused(sentence, status, reason, message, of_namespace=of_namespace, immutable_fields=immutable)


def _immutable_fields(answer: Object) -> tuple[str, ...]:
    """Empty if one of the causes is another one: a new object would be refused as well."""
    causes = (answer.get("details") or {}).get("causes") or []
    if not all(_IMMUTABLE.search(_without_value(str(cause.get("message")))) for cause in causes):
        return ()
    return tuple(dict.fromkeys(str(cause.get("field")) for cause in causes))


def _without_value(message: str) -> str:
    """The message without the value that it quotes, which the author of the manifest chose."""
    return message.rpartition(": ")[2] if message.startswith("Invalid value") else message


def _is_temporary(answer: Object, message: str) -> bool:
    """Whether the namespace is terminating, or its quota is new and not yet counted."""
    causes = [cause.get("reason") for cause in (answer.get("details") or {}).get("causes") or []]
    return "NamespaceTerminating" in causes or "status unknown for quota" in message


def _status(body: bytes) -> Object:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _retry_at(headers: Mapping[str, str]) -> datetime | None:
    text = headers.get("Retry-After", "")
    if not text.isdecimal():
        return None
    return datetime.now(UTC) + timedelta(seconds=min(int(text), _MAX_RETRY_SECONDS))

"""Errors of the API server, as metav1.Status with Kubernetes' messages."""

import json
from dataclasses import dataclass
from typing import Any

from bot.embedded.kubernetes.objects import Object
from bot.embedded.kubernetes.resources import Resource


@dataclass(frozen=True)
class Cause:
    """One wrong field: `reason` is a metav1.CauseType, `message` what is wrong, `field` its path."""

    reason: str
    message: str
    field: str = ""

    def as_json(self) -> Object:
        fields = {"reason": self.reason, "message": self.message}
        return {**fields, "field": self.field} if self.field else fields

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class ApiError(Exception):
    """An answer other than success: HTTP status, machine reason, message, details."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def as_json(self) -> Object:
        status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return {**status, "code": self.code}


def _details(resource: Resource, name: str, causes: list[Cause] | None = None, **more: Any) -> Object:
    details: Object = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.plural
    if causes:
        details["causes"] = [cause.as_json() for cause in causes]
    return {**details, **more}


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> ApiError:
    return ApiError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}
    )


def not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(resource, name))


def conflict(resource: Resource, name: str, reason: str, by_kind: bool = False) -> ApiError:
    """`by_kind` names the kind instead of the resource, as Kubernetes does where preconditions fail."""
    noun = resource.kind if by_kind else resource.qualified
    details = {"name": name, "kind": resource.kind} if by_kind else _details(resource, name)
    return ApiError(409, "Conflict", f'Operation cannot be fulfilled on {noun} "{name}": {reason}', details)


def modified(resource: Resource, name: str) -> ApiError:
    reason = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, reason)


def apply_conflict(causes: list[Cause]) -> ApiError:
    """Fields that other managers own; each cause names one field and its managers."""
    details = {"causes": [cause.as_json() for cause in causes]}
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
        return ApiError(409, "Conflict", message, details)
    fields: dict[str, list[str]] = {}
    for cause in causes:
        fields.setdefault(cause.message.replace("conflict", "conflicts", 1), []).append(f"- {cause.field}")
    text = "\n".join("\n".join([f"{manager}:", *paths]) for manager, paths in sorted(fields.items()))
    return ApiError(409, "Conflict", f"Apply failed with {len(causes)} conflicts: {text}", details)


def forbidden(resource: Resource, name: str, reason: str, causes: list[Cause] | None = None) -> ApiError:
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    message = f"{subject} is forbidden: {reason}"
    return ApiError(403, "Forbidden", message, _details(resource, name, causes))


def invalid(resource: Resource, name: str, causes: list[Cause]) -> ApiError:
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    message = str(causes[0]) if len(causes) == 1 else "[" + ", ".join(str(cause) for cause in causes) + "]"
    details = _details(resource, name, causes)
    details["kind"] = resource.kind
    return ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {message}', details)


def invalid_patch(patched: Any, error: ApiError) -> ApiError:
    """The result of a patch is not a valid object."""
    kinds = error.message.partition(": ")[2] if "cannot be handled as" in error.message else error.message
    shown = json.dumps(patched, separators=(",", ":"), ensure_ascii=False)
    cause = wrong("patch", shown, kinds)
    return ApiError(422, "Invalid", f' "" is invalid: {cause}', {"causes": [cause.as_json()]})


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def unsupported_media_type(accepted: list[str]) -> ApiError:
    text = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {text}"
    return ApiError(415, "UnsupportedMediaType", message)


def bad_options(verb: str, cause: Cause) -> ApiError:
    """Options of a request that are wrong, such as CreateOptions."""
    kind = f"{verb.capitalize()}Options"
    details = {"group": "meta.k8s.io", "kind": kind, "causes": [cause.as_json()]}
    return ApiError(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {cause}', details)


# Causes, worded as k8s.io/apimachinery/pkg/util/validation/field words them.


def required(field: str, reason: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value: {reason}" if reason else "Required value", field)


def wrong(field: str, value: Any, reason: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {_shown(value)}: {reason}", field)


def unsupported(field: str, value: Any, allowed: list[str]) -> Cause:
    message = ", ".join(f'"{item}"' for item in allowed)
    return Cause(
        "FieldValueNotSupported", f"Unsupported value: {_shown(value)}: supported values: {message}", field
    )


def forbidden_field(field: str, reason: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {reason}", field)


def duplicate(field: str, value: Any) -> Cause:
    return Cause("FieldValueDuplicate", f"Duplicate value: {_shown(value)}", field)


def _shown(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

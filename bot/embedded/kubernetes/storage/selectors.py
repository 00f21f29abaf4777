"""Label and field selectors."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from bot.embedded.kubernetes.errors import bad_request
from bot.embedded.kubernetes.objects import Object, dig, rows, table
from bot.embedded.kubernetes.resources import Resource

Predicate = Callable[[Object], bool]

_SET = re.compile(r"^\s*(!?)\s*([^\s!=,()]+)\s*(?:\s(in|notin)\s*\(([^)]*)\))?\s*$")
_EQUAL = re.compile(r"^\s*([^\s!=,()]+)\s*(==|=|!=|<|>)\s*([^\s,()]*)\s*$")


@dataclass(frozen=True)
class Requirement:
    key: str
    operator: str
    """One of: =, !=, in, notin, exists, absent."""
    values: tuple[str, ...] = ()

    def matches(self, labels: Object) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "=" | "in":
                return value in self.values
            case "!=" | "notin":
                return value not in self.values
            case "exists":
                return value is not None
        return value is None


def _split(text: str) -> list[str]:
    """Pieces between commas that are not inside parentheses."""
    return [piece for piece in re.split(r",(?![^(]*\))", text) if piece.strip()]


def parse_labels(text: str) -> list[Requirement]:
    """`a=b,c!=d,e in (f,g),h,!i`; a 400 when it cannot be read."""
    results = []
    for piece in _split(text):
        if match := _EQUAL.match(piece):
            operator = "=" if match[2] == "==" else match[2]
            results.append(Requirement(match[1], operator, (match[3],)))
        elif match := _SET.match(piece):
            if match[3]:
                values = tuple(value.strip() for value in match[4].split(","))
                results.append(Requirement(match[2], match[3], values))
            else:
                results.append(Requirement(match[2], "absent" if match[1] else "exists"))
        else:
            raise bad_request(f"unable to parse requirement: {piece.strip()!r} is not a label selector")
    return results


def selects(selector: Object | None, labels: Object) -> bool:
    """Whether a metav1.LabelSelector selects these labels; none selects nothing, an empty one everything."""
    if selector is None:
        return False
    requirements = [Requirement(key, "=", (value,)) for key, value in table(selector, "matchLabels").items()]
    names = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
    for expression in rows(selector, "matchExpressions"):
        operator = names.get(expression.get("operator", ""))
        if operator is None:
            return False
        requirements.append(
            Requirement(expression.get("key", ""), operator, tuple(expression.get("values") or ()))
        )
    return all(requirement.matches(labels) for requirement in requirements)


_FIELDS: dict[str, frozenset[str]] = {
    "pods": frozenset(
        (
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        )
    ),
    "events": frozenset(
        f"involvedObject.{name}"
        for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    )
    | {"reason", "reportingComponent", "source", "type"},
    "namespaces": frozenset({"status.phase"}),
    "secrets": frozenset({"type"}),
    "nodes": frozenset({"spec.unschedulable"}),
    "replicasets": frozenset({"status.replicas"}),
    "jobs": frozenset({"status.successful"}),
    "services": frozenset({"spec.clusterIP", "spec.type"}),
}
_ALIASES = {"source": ("source", "component"), "status.successful": ("status", "succeeded")}
_ZERO = {
    "spec.unschedulable": "false",
    "spec.hostNetwork": "false",
    "status.successful": "0",
    "status.replicas": "0",
}


def _field_value(obj: Object, path: str) -> str:
    value = dig(obj, *_ALIASES.get(path, tuple(path.split("."))))
    if value is None:
        return _ZERO.get(path, "")
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_fields(resource: Resource, text: str) -> list[tuple[str, bool, str]]:
    """(path, equal or not, value) of each term; a 400 for a field that this kind cannot be selected by."""
    fields = _FIELDS.get(resource.plural, frozenset()) | {"metadata.name"}
    if resource.namespaced:
        fields |= {"metadata.namespace"}
    terms = []
    for piece in _split(text):
        match = _EQUAL.match(piece)
        if match is None:
            raise bad_request(f"invalid selector: {text!r}; can't understand {piece!r}")
        if match[1] not in fields:
            if resource.plural in _FIELDS and not resource.group:
                raise bad_request(f"field label not supported: {match[1]}")
            allowed = ", ".join(f'"{name}"' for name in sorted(fields))
            raise bad_request(f'"{match[1]}" is not a known field selector: only {allowed}')
        terms.append((match[1], match[2] != "!=", match[3]))
    return terms


def predicate(resource: Resource, labels: str = "", fields: str = "") -> Predicate | None:
    """The filter of a list or watch; None without selectors."""
    requirements = parse_labels(labels) if labels else []
    terms = parse_fields(resource, fields) if fields else []
    if not requirements and not terms:
        return None

    def matches(obj: Object) -> bool:
        worn = obj["metadata"].get("labels") or {}
        if not all(requirement.matches(worn) for requirement in requirements):
            return False
        return all((_field_value(obj, path) == value) == equal for path, equal, value in terms)

    return matches

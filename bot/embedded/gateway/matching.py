"""Finds the rule for a request: by hostname, then path, method and headers. Pure."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bot.cluster.client.api import Object
from bot.embedded.gateway.attachment import ANY, Attachment, age, covers
from bot.embedded.informer import key_of

Precedence = tuple[bool, int, bool, int]


@dataclass(slots=True)
class Rule:
    """A rule of a route. It deals out its backends by weight, evenly in time."""

    route: Object
    index: int
    """Its place in the route."""
    spec: Object
    _credit: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return "/".join(key_of(self.route))

    @property
    def filters(self) -> list[Object]:
        return list(self.spec.get("filters") or [])

    @property
    def backends(self) -> list[Object]:
        return list(self.spec.get("backendRefs") or [])

    def next_backend(self) -> int | None:
        """The index of the backend for the next request; none when all weights are 0."""
        weights = [float(backend.get("weight", 1)) for backend in self.backends]
        if not any(weights):
            return None
        self._credit = self._credit or [0.0] * len(weights)
        for index, weight in enumerate(weights):
            self._credit[index] += weight
        chosen = max(range(len(weights)), key=lambda index: (weights[index] > 0, self._credit[index]))
        self._credit[chosen] -= sum(weights)
        return chosen


@dataclass(frozen=True, slots=True)
class _Entry:
    match: Object
    rule: Rule
    precedence: Precedence


class Table:
    """All rules that are served, by hostname."""

    def __init__(self, attachments: Iterable[Attachment], before: "Table | None" = None) -> None:
        """A rule that is in the table `before` as well goes on dealing where it was."""
        self._entries: dict[str, list[_Entry]] = {}
        self._rules: dict[str, list[Rule]] = {}
        for attachment in sorted(attachments, key=lambda item: age(item.route)):
            uid = str(attachment.route["metadata"]["uid"])
            if uid not in self._rules:
                self._rules[uid] = _rules(attachment.route, before._rules.get(uid, []) if before else [])
            for hostname, rule in itertools.product(attachment.hostnames, self._rules[uid]):
                self._add(hostname, rule)
        for entries in self._entries.values():
            entries.sort(key=lambda entry: entry.precedence, reverse=True)

    def find(self, hostname: str, method: str, path: str, headers: Mapping[str, str]) -> Rule | None:
        """The rule that matches: the most exact hostname, then the most exact path, then the oldest route."""
        patterns = [pattern for pattern in self._entries if covers(pattern, hostname)]
        for pattern in sorted(
            patterns, key=lambda item: (item == hostname, item != ANY, len(item)), reverse=True
        ):
            for entry in self._entries[pattern]:
                if _matches(entry.match, method, path, headers):
                    return entry.rule
        return None

    def serves(self, hostname: str) -> bool:
        """Whether any rule is there for a hostname."""
        return any(covers(pattern, hostname) for pattern in self._entries)

    @property
    def rules(self) -> list[Rule]:
        return [rule for rules in self._rules.values() for rule in rules]

    def _add(self, hostname: str, rule: Rule) -> None:
        for match in rule.spec.get("matches") or [{}]:
            path = match.get("path") or {}
            exact = path.get("type") == "Exact"
            precedence = (
                exact,
                len(path.get("value") or "/"),
                "method" in match,
                len(match.get("headers") or []),
            )
            self._entries.setdefault(hostname, []).append(_Entry(match, rule, precedence))


def _rules(route: Object, before: list[Rule]) -> list[Rule]:
    specs = route["spec"].get("rules") or []
    if [rule.spec for rule in before] == specs:
        return before
    return [Rule(route, index, spec) for index, spec in enumerate(specs)]


def unsupported(route: Object) -> str:
    """The part of a route that this gateway does not support; such a route is not served."""
    for rule in route["spec"].get("rules") or []:
        for match in rule.get("matches") or []:
            kinds = [match.get("path") or {}, *(match.get("headers") or [])]
            if any(kind.get("type") == "RegularExpression" for kind in kinds) or match.get("queryParams"):
                return "matches by regular expression or query parameter are not supported"
        backends = rule.get("backendRefs") or []
        if any(backend.get("filters") for backend in backends):
            return "filters of a backend are not supported"
        supported = ("RequestHeaderModifier", "ResponseHeaderModifier")
        if others := [item["type"] for item in rule.get("filters") or [] if item["type"] not in supported]:
            return f"filters of type {', '.join(others)} are not supported"
    return ""


def _matches(match: Object, method: str, path: str, headers: Mapping[str, str]) -> bool:
    requested = match.get("path") or {}
    value = str(requested.get("value") or "/")
    if requested.get("type") == "Exact":
        if path != value:
            return False
    elif not (path == value or path.startswith(value.rstrip("/") + "/")):
        return False
    if match.get("method", method) != method:
        return False
    return all(headers.get(header["name"]) == header["value"] for header in match.get("headers") or [])

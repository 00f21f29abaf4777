"""The `stages` and `demo` sections of `.greenroom.yml`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from bot.config.fields import EnvironmentSection, Label, Problem, Strict, matching
from bot.config.infrastructure import Infrastructure
from bot.config.rollouts import ROLLING, RolloutPolicy
from bot.config.routes import RouteName
from bot.model.drift import DriftAction
from bot.model.durations import parse_duration

_HOST = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PREVIEW_NAME = re.compile(r"pr-[0-9]+")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOMENT = re.compile(
    r"(?:(?P<day>mon|tue|wed|thu|fri|sat|sun)|(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}))"
    r"(?:[ T](?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9]))?"
)

StageName = Annotated[
    str,
    matching(
        r"(?!.*--)[a-z]([a-z0-9-]{0,28}[a-z0-9])?",
        "a name has at most 30 lower-case letters, digits and single dashes, such as staging",
    ),
]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone; use a name such as Europe/Berlin or UTC") from None
    return name


def _soak(value: object) -> timedelta:
    """Unlike other durations, a soak time may be zero."""
    return timedelta(0) if value in ("0s", "0m", "0h", "0d") else parse_duration(value)


def _moment(text: str) -> str:
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("expected a weekly time such as `fri 16:00`, or a date such as `2026-12-20 08:00`")
    if match["date"]:
        date.fromisoformat(match["date"])
    return text


def _host(text: str) -> str:
    if len(text) > 253 or _HOST.fullmatch(text) is None:
        raise ValueError(
            "expected a host in lower case without scheme, port or path, such as shop.example.com"
        )
    return text


NamespaceName = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "a namespace has at most 63 lower-case letters, digits and dashes, such as shop-staging",
    ),
]
Soak = Annotated[timedelta, BeforeValidator(_soak)]
Release = Annotated[
    str,
    matching(
        r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,199}",
        "expected a release id of 12 digits, a git tag such as v2.3.47, or a full commit SHA",
    ),
]
Host = Annotated[str, AfterValidator(_host)]
Zone = Annotated[str, AfterValidator(_zone)]
Moment = Annotated[str, AfterValidator(_moment)]


class Freeze(Strict):
    """A period, weekly or once, in which no promotion changes the stage. In wall-clock time of the zone."""

    begins: Moment = Field(alias="from")
    ends: Moment = Field(alias="until")
    zone: Zone
    reason: str = Field(default="", max_length=200, alias="why")

    @model_validator(mode="after")
    def _consistent_order(self) -> Freeze:
        if _is_weekly(self.begins) != _is_weekly(self.ends):
            raise ValueError("`from` and `until` must both be days of the week, or both be dates")
        if not _is_weekly(self.begins) and self._at(self.begins) >= self._at(self.ends):
            raise ValueError("`until` must be later than `from`")
        if self.begins == self.ends:
            raise ValueError("`until` must differ from `from`")
        return self

    def active_until(self, now: datetime) -> datetime | None:
        """The end of the freeze, if it is in force now."""
        local = now.astimezone(ZoneInfo(self.zone))
        if not _is_weekly(self.begins):
            ends = self._at(self.ends)
            return ends if self._at(self.begins) <= now < ends else None
        for weeks in (0, 1):
            monday = (local - timedelta(days=local.weekday(), weeks=weeks)).date()
            begins, ends = self._at(self.begins, monday), self._at(self.ends, monday)
            if ends <= begins:
                ends = self._at(self.ends, monday + timedelta(weeks=1))
            if begins <= now < ends:
                return ends
        return None

    def _at(self, text: str, monday: date | None = None) -> datetime:
        """The moment that the text names; weekdays belong to the week of the given Monday."""
        match = cast("re.Match[str]", _MOMENT.fullmatch(text))
        day = date.fromisoformat(match["date"]) if match["date"] else cast("date", monday)
        if match["day"]:
            day += timedelta(days=_WEEKDAYS.index(match["day"]))
        hour, minute = int(match["hour"] or 0), int(match["minute"] or 0)
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(self.zone))


def _is_weekly(text: str) -> bool:
    return text[:3] in _WEEKDAYS


class After(Strict):
    """The stages that a release must pass before: all of `all_of`, and one of `one_of`."""

    all_of: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError(f"expected a list of stages: [{value}]")
        return {"all_of": value} if isinstance(value, list | tuple) else value

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.all_of, *self.one_of)


class Approvals(Strict):
    count: int = Field(default=1, ge=1, le=20)
    teams: tuple[Label, ...] = Field(default=(), max_length=20)
    """Only their members can approve; without teams, everyone with write access."""


class Required(Strict):
    """What GitHub must report for the pull request; fails closed when it cannot be read."""

    checks: tuple[str, ...] = Field(default=(), max_length=50)
    reviews: int = Field(default=0, ge=0, le=20)


class Enforcement(StrEnum):
    """What a finding about a release does to its promotion."""

    WARN = "warn"
    BLOCK = "block"


class DriftPolicy(Strict):
    """What happens when live objects differ from the declared ones; may be written as the action."""

    action: DriftAction = DriftAction.ALERT
    promotions: Enforcement = Enforcement.WARN
    """Whether promotions wait while there is drift."""

    @model_validator(mode="before")
    @classmethod
    def _from_action(cls, value: object) -> object:
        return {"action": value} if isinstance(value, str) else value


class StageBase(EnvironmentSection):
    """What stages and demos have in common."""

    infrastructure: Infrastructure | None = None
    drift: DriftPolicy = DriftPolicy()
    namespace: NamespaceName | None = None
    """An existing namespace that the operator labelled for this stage, instead of a generated one."""


class Stage(StageBase):
    after: After = After()
    parity: Enforcement = Enforcement.WARN
    """For a release whose objects differ from those of the stage where it was verified."""
    preview_checks: Enforcement | None = None
    """For a release whose preview has failed checks; without it, a protected stage blocks."""
    automatic: bool = False
    soak: Soak = timedelta(0)
    ephemeral: bool = False
    """The stage is created for each promotion and deleted after verification."""
    freeze: tuple[Freeze, ...] = Field(default=(), max_length=50)
    protected: bool = False
    approvals: Approvals | None = None
    required: Required = Required()
    host: Host | None = None
    """A host that the operator granted to the repository, instead of a generated one."""
    hosts: Mapping[RouteName, Host] = Field(default_factory=dict, max_length=16)
    """Granted hosts of further routes, by name."""
    rollout: RolloutPolicy = ROLLING
    seed: bool = False
    """Whether `data.seed` runs; ephemeral stages are always seeded."""

    @model_validator(mode="after")
    def _no_namespace_if_ephemeral(self) -> Stage:
        if self.ephemeral and self.namespace is not None:
            raise ValueError("an ephemeral stage cannot have a `namespace`: the bot creates and deletes it")
        return self

    @property
    def own_hosts(self) -> Mapping[tuple[str, ...], str]:
        """All hosts that the operator must have granted, by their paths below the stage."""
        own = {("host",): self.host} if self.host is not None else {}
        return own | {("hosts", name): host for name, host in self.hosts.items()}

    @property
    def follows_default_branch(self) -> bool:
        """Whether each new head of the default branch is promoted here automatically."""
        return self.automatic and not self.after.names

    @property
    def requires_preview_checks(self) -> bool:
        default = Enforcement.BLOCK if self.protected else Enforcement.WARN
        return (self.preview_checks or default) is Enforcement.BLOCK

    @property
    def seeded(self) -> bool:
        return self.seed or self.ephemeral


class Demo(StageBase):
    """Shows one release until a user or the file changes it. No stage depends on a demo."""

    release: Release | None = None
    """Pins the demo to a release; without it, users change the release by command."""

    @property
    def as_stage(self) -> Stage:
        return Stage(seed=True, **{name: getattr(self, name) for name in StageBase.model_fields})


def pipeline_problems(stages: Mapping[str, Stage], demos: Mapping[str, Demo]) -> list[Problem]:
    """Problems across sections: reserved, duplicate and unknown names, and dependency cycles."""
    problems: list[Problem] = []
    for kind, names in (("stages", stages), ("demo", demos)):
        problems += [
            ((kind, name), f"the name {name!r} is reserved for the preview of a pull request")
            for name in names
            if _PREVIEW_NAME.fullmatch(name)
        ]
    problems += [
        (("demo", name), f"{name!r} is also the name of a stage: rename one of them")
        for name in demos
        if name in stages
    ]
    for name, stage in stages.items():
        for other in stage.after.names:
            if other not in stages:
                others = ", ".join(stage for stage in stages if stage != name) or "none"
                problems.append(
                    (("stages", name, "after"), f"unknown stage {other!r} (other stages: {others})")
                )
    return problems or list(_cycles(stages))


def _cycles(stages: Mapping[str, Stage]) -> Iterator[Problem]:
    """The first dependency cycle, reported at the stage where it was found."""
    done: set[str] = set()
    path: list[str] = []

    def visit(name: str) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        path.append(name)
        for other in stages[name].after.names:
            if cycle := visit(other):
                return cycle
        path.pop()
        done.add(name)
        return None

    for name in stages:
        if cycle := visit(name):
            yield ("stages", cycle[0], "after"), f"dependency cycle: {' after '.join(cycle)}"
            return


def stage_digest_parts(stage: Stage) -> Any:
    """The fields of the stage that determine what runs, without its gates. Approvals are bound to them."""
    return {
        "size": stage.size.model_dump(mode="json"),
        "config": dict(stage.config),
        "secrets": dict(stage.secrets),
        "checks": [check.model_dump(mode="json") for check in stage.checks],
        "namespace": stage.namespace,
        "host": stage.host,
        **({"hosts": dict(stage.hosts)} if stage.hosts else {}),
        "seeded": stage.seeded,
        **({"cluster": stage.cluster} if stage.cluster else {}),
    }

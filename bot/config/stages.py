"""`stages:` and `demo:` of `.greenroom.yml`: the way of a release, and where it may stay."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from bot.config.fields import Check, Label, PreviewSize, Reference, Strict, Variable, matching, parse_duration

Problem = tuple[tuple[str | int, ...], str]
"""Where in the file, and what is wrong there."""

_HOST = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PREVIEW = re.compile(r"pr-[0-9]+")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOMENT = re.compile(
    r"(?:(?P<day>mon|tue|wed|thu|fri|sat|sun)|(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}))"
    r"(?:[ T](?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9]))?"
)

_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,199}")

StageName = Annotated[
    str,
    matching(
        r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?",
        "a name here has at most 30 lower-case letters, digits and dashes, such as staging",
    ),
]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone such as Europe/Berlin or UTC") from None
    return name


def _soak(value: object) -> timedelta:
    """None at all may be written down too."""
    return timedelta(0) if value in ("0s", "0m", "0h", "0d") else parse_duration(value)


def _text(value: object) -> object:
    """YAML makes a date of what looks like one."""
    return value.isoformat() if isinstance(value, date) else value


def _moment(text: str) -> str:
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("a moment is `fri 16:00` in every week, or `2026-12-20 08:00` once")
    if match["date"]:
        date.fromisoformat(match["date"])
    return text


def _release(text: str) -> str:
    if not _RELEASE.fullmatch(text):
        raise ValueError("a release is its id of 12 digits, a git tag such as v2.3.47, or a full commit SHA")
    return text


def _host(text: str) -> str:
    if len(text) > 253 or _HOST.fullmatch(text) is None:
        raise ValueError("a host is such as shop.example.com: lower case, without scheme, port and path")
    return text


NamespaceName = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "a namespace has at most 63 lower-case letters, digits and dashes, such as shop-staging",
    ),
]
Soak = Annotated[timedelta, BeforeValidator(_soak)]
Release = Annotated[str, AfterValidator(_release)]
Host = Annotated[str, AfterValidator(_host)]
Zone = Annotated[str, AfterValidator(_zone)]
Moment = Annotated[str, BeforeValidator(_text), AfterValidator(_moment)]


class Freeze(Strict):
    """A time in which nothing moves the stage: every week, or once. Wall-clock time of its zone."""

    begins: Moment = Field(alias="from")
    ends: Moment = Field(alias="until")
    zone: Zone
    why: str = Field(default="", max_length=200)

    @model_validator(mode="after")
    def _alike(self) -> Freeze:
        if _is_weekly(self.begins) != _is_weekly(self.ends):
            raise ValueError("`from` and `until` are both days of the week, or both dates")
        if not _is_weekly(self.begins) and self._at(self.begins) >= self._at(self.ends):
            raise ValueError("`until` comes after `from`")
        if self.begins == self.ends:
            raise ValueError("it ends when it begins; name another `until`")
        return self

    def active_until(self, now: datetime) -> datetime | None:
        """When it ends, if it is on now."""
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
        """The moment, in the week of a Monday where it is a day of the week."""
        match = cast("re.Match[str]", _MOMENT.fullmatch(text))
        day = date.fromisoformat(match["date"]) if match["date"] else cast("date", monday)
        if match["day"]:
            day += timedelta(days=_WEEKDAYS.index(match["day"]))
        hour, minute = int(match["hour"] or 0), int(match["minute"] or 0)
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(self.zone))


def _is_weekly(text: str) -> bool:
    return text[:3] in _WEEKDAYS


class After(Strict):
    """Where a release has to be verified before: in all of these, or in one of those."""

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
    """Approvals count only from their members; without teams, from everybody who may write."""


class Required(Strict):
    """What GitHub has to say of the pull request; what cannot be read is a no."""

    checks: tuple[str, ...] = Field(default=(), max_length=50)
    reviews: int = Field(default=0, ge=0, le=20)


class Parity(StrEnum):
    """What becomes of a release that would run here otherwise than where it was verified before."""

    WARN = "warn"
    BLOCK = "block"


class StageBase(Strict):
    """What stages and demos have in common."""

    checks: tuple[Check, ...] = Field(default=(), max_length=20)
    size: PreviewSize = PreviewSize()
    config: Mapping[Variable, str] = Field(default_factory=dict)
    secrets: Mapping[Variable, Reference] = Field(default_factory=dict, max_length=100)
    namespace: NamespaceName | None = None
    """One that the operator made and labelled for it, instead of one of the bot's."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if both := sorted(self.config.keys() & self.secrets.keys()):
            raise ValueError(f"{both[0]} stands in both `config` and `secrets`: leave one of them out")
        titles = [check.title for check in self.checks]
        twice = {title for title in titles if titles.count(title) > 1}
        if twice:
            raise ValueError(f"two checks are called {sorted(twice)[0]!r}: give one of them another `name`")
        return self


class Stage(StageBase):
    after: After = After()
    parity: Parity = Parity.WARN
    automatic: bool = False
    soak: Soak = timedelta(0)
    ephemeral: bool = False
    """Made for the promotion, verified, and destroyed."""
    freeze: tuple[Freeze, ...] = Field(default=(), max_length=50)
    protected: bool = False
    approvals: Approvals | None = None
    required: Required = Required()
    host: Host | None = None
    """One that the operator granted to the repository, instead of a name of the environments' domain."""
    seed: bool = False
    """Whether `data.seed` runs here; always where the stage is made anew each time."""

    @model_validator(mode="after")
    def _one_kind(self) -> Stage:
        if self.ephemeral and self.namespace is not None:
            raise ValueError("an ephemeral stage is made and destroyed, so it has no `namespace` of its own")
        return self

    @property
    def follows_default_branch(self) -> bool:
        """Whether a new head of the default branch comes here by itself."""
        return self.automatic and not self.after.names

    @property
    def seeded(self) -> bool:
        return self.seed or self.ephemeral


class Demo(StageBase):
    """Shows one release until a person moves it: a stage on nobody's way."""

    release: Release | None = None
    """The file itself is the pin; without it, people move the demo by command."""

    @property
    def as_stage(self) -> Stage:
        return Stage(seed=True, **{name: getattr(self, name) for name in StageBase.model_fields})


def pipeline_problems(
    stages: Mapping[str, Stage], demos: Mapping[str, Demo], *, routed: bool
) -> list[Problem]:
    """Names and hosts that are not there or not allowed, and stages that wait for themselves."""
    problems: list[Problem] = []
    for kind, names in (("stages", stages), ("demo", demos)):
        problems += [
            ((kind, name), f"{name!r} is the name of a pull request's preview")
            for name in names
            if _PREVIEW.fullmatch(name)
        ]
    problems += [
        (("demo", name), f"{name!r} is the name of a stage: give one of them another")
        for name in demos
        if name in stages
    ]
    hosts: dict[str, str] = {}
    for name, stage in stages.items():
        if stage.host is not None:
            path = ("stages", name, "host")
            if not routed:
                problems.append((path, "there is no `route` that a host could lead to"))
            elif stage.host in hosts:
                problems.append((path, f"{stage.host} is the host of {hosts[stage.host]} already"))
            hosts[stage.host] = name
        for other in stage.after.names:
            if other not in stages:
                known = ", ".join(each for each in stages if each != name) or "no other"
                problems.append(
                    (("stages", name, "after"), f"there is no stage {other!r} (the stages: {known})")
                )
    return problems or list(_circles(stages))


def _circles(stages: Mapping[str, Stage]) -> Iterator[Problem]:
    """The first circle, told at the stage where it was found."""
    done: set[str] = set()
    path: list[str] = []

    def visit(name: str) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        path.append(name)
        for other in stages[name].after.names:
            if circle := visit(other):
                return circle
        path.pop()
        done.add(name)
        return None

    for name in stages:
        if circle := visit(name):
            told = " after ".join(circle)
            yield ("stages", circle[0], "after"), f"no stage can come after itself: {told}"
            return


def stage_digest_parts(stage: Stage) -> Any:
    """The stage's own part that decides what runs: approvals are bound to it. Gates are not in it."""
    return {
        "size": stage.size.model_dump(mode="json"),
        "config": dict(stage.config),
        "secrets": dict(stage.secrets),
        "checks": [check.model_dump(mode="json") for check in stage.checks],
        "namespace": stage.namespace,
        "host": stage.host,
        "seeded": stage.seeded,
    }

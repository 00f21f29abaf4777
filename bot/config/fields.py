"""What the parts of `.greenroom.yml` are made of."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bot.model.size import Size, parse_quantity

_DURATION = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
_REFERENCE = re.compile(r"[a-z][a-z0-9-]{0,30}:[^\s]{1,400}")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: object) -> timedelta:
    """Reads `90s`, `30m`, `24h`, `3d`."""
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("a duration is a number and a unit: 90s, 30m, 24h or 3d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def format_duration(time: timedelta) -> str:
    """The same in the largest unit that it is a whole number of."""
    seconds = int(time.total_seconds())
    for unit, name in reversed(_UNITS.items()):
        one = int(timedelta(**{name: 1}).total_seconds())
        if seconds % one == 0:
            return f"{seconds // one}{unit}"
    return f"{seconds}s"


def _relative(path: str) -> str:
    parts = path.strip("/").split("/")
    if path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError("a path is relative to the repository's root and stays inside it")
    return "/".join(part for part in parts if part not in ("", "."))


def matching(pattern: str, told: str) -> AfterValidator:
    """Text of this shape. Who writes another one is told in words what it is."""
    expression = re.compile(pattern)

    def check(text: str) -> str:
        if expression.fullmatch(text) is None:
            raise ValueError(told)
        return text

    return AfterValidator(check)


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
RelativePath = Annotated[str, AfterValidator(_relative)]
Label = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?",
        "a name here has at most 40 lower-case letters, digits and dashes, such as smoke-test",
    ),
]
UrlPath = Annotated[
    str, matching(r"/[^\s]{0,1999}", "a path begins with a slash and has no spaces, such as /healthz")
]


def _reference(text: str) -> str:
    # The text itself is not repeated: somebody may have put a secret there.
    if not _REFERENCE.fullmatch(text):
        raise ValueError("a secret is named by where it is: `env:NAME` or `kubernetes:NAMESPACE/NAME#KEY`")
    return text


Variable = Annotated[
    str,
    matching(
        r"[A-Za-z_][A-Za-z0-9_]*", "a variable's name has letters, digits and underscores, such as FEATURE_X"
    ),
]
Reference = Annotated[str, AfterValidator(_reference)]


class Strict(BaseModel):
    """No field that is not known here."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Job(Strict):
    image: str = Field(min_length=1, max_length=400)
    command: tuple[str, ...] = Field(min_length=1)
    timeout: Duration = timedelta(minutes=10)


class Check(Strict):
    """Exactly one of `http` and `job`."""

    name: Label | None = None
    http: UrlPath | None = None
    job: Job | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Check:
        if (self.http is None) == (self.job is None):
            raise ValueError("a check is either `http: /path` or `job: {image, command}`")
        return self

    @property
    def title(self) -> str:
        """The given name, or one made of what it does."""
        if self.name:
            return self.name
        if self.http is not None:
            return re.sub(r"[^a-z0-9]+", "-", f"http-{self.http.lower()}")[:40].strip("-")
        words = " ".join(self.job.command) if self.job else ""
        return re.sub(r"[^a-z0-9]+", "-", f"job-{words.lower()}")[:40].strip("-")


def _quantity(value: object) -> str:
    """YAML reads `cpu: 2` and `cpu: 0.5` as numbers."""
    text = str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    if parse_quantity(text) <= 0:
        raise ValueError("it has to be more than nothing")
    return text


Quantity = Annotated[str, BeforeValidator(_quantity)]


class PreviewSize(Strict):
    """What all containers together may ask for; what is not said is as the operator decided."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    storage: Quantity | None = None
    pods: Quantity | None = None

    @field_validator("*")
    @classmethod
    def _below_the_ceiling(cls, value: str | None, info: ValidationInfo) -> str | None:
        largest = (info.context or {}).get("largest")
        if value is not None and largest is not None:
            most: str = getattr(largest, str(info.field_name))
            if parse_quantity(value) > parse_quantity(most):
                raise ValueError(f"{value} is more than the {most} that the operator allows")
        return value

    def override(self, default: Size) -> Size:
        """The default with what is said here."""
        said = {name: value for name, value in self if value is not None}
        return replace(default, **said)

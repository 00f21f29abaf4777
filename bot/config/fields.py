"""The parts that the sections of `.greenroom.yml` have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Self, assert_never

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

from bot.model.durations import parse_duration
from bot.model.placeholders import placeholders
from bot.model.size import Size, parse_quantity

Problem = tuple[tuple[str | int, ...], str]
"""A path in the file, and a message."""


def matching(pattern: str, message: str) -> AfterValidator:
    """Rejects text that does not match the pattern; the message names what is expected."""
    expression = re.compile(pattern)

    def check(text: str) -> str:
        if expression.fullmatch(text) is None:
            raise ValueError(message)
        return text

    return AfterValidator(check)


def relative_path(path: str) -> str:
    parts = path.strip("/").split("/")
    if path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError("expected a path inside the repository, relative to its root")
    return "/".join(part for part in parts if part not in ("", "."))


def _url_path(path: str) -> str:
    if re.fullmatch(r"/[^\s]{0,1999}", path) is None:
        raise ValueError("a path starts with a slash and has no spaces, such as /healthz")
    return path


def with_placeholders(text: str) -> str:
    """The text itself. ValueError for an unknown placeholder."""
    placeholders(text)
    return text


def _quantity(value: object) -> str:
    """YAML reads `cpu: 2` and `cpu: 0.5` as numbers."""
    text = str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    if parse_quantity(text) <= 0:
        raise ValueError("must be greater than zero")
    return text


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Quantity = Annotated[str, BeforeValidator(_quantity)]
Pattern = Annotated[str, Field(min_length=1, max_length=200)]
"""A glob pattern; see patterns.py."""
RelativePath = Annotated[str, AfterValidator(relative_path)]
Label = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?",
        "a name has at most 40 lower-case letters, digits and dashes, such as smoke-test",
    ),
]
UrlPath = Annotated[str, AfterValidator(_url_path)]
Variable = Annotated[
    str,
    matching(r"[A-Za-z_][A-Za-z0-9_]*", "a variable has letters, digits and underscores, such as FEATURE_X"),
]
# The message repeats only the placeholder: the text could be a secret that was pasted here by mistake.
ConfigValue = Annotated[str, AfterValidator(with_placeholders)]
# The message does not repeat the text: it could be a secret that was pasted here by mistake.
Reference = Annotated[
    str,
    matching(
        r"[a-z][a-z0-9-]{0,30}:[^\s]{1,400}",
        "expected a reference to a secret: `env:NAME`, `kubernetes:NAMESPACE/NAME#KEY`, "
        "`vault:MOUNT/PATH#KEY`, `vault-dynamic:MOUNT/creds/ROLE#FIELD`, `aws-sm:NAME`, `aws-ssm:PATH` or "
        "`eso:STORE/KEY`",
    ),
]


class Strict(BaseModel):
    """An immutable model that rejects unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Job(Strict):
    image: str = Field(min_length=1, max_length=400)
    command: tuple[str, ...] = Field(min_length=1)
    timeout: Duration = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class HttpCheck:
    path: str
    route: str = ""
    """The name of a further route; "" for the environment's own host."""


@dataclass(frozen=True, slots=True)
class JobCheck:
    job: Job


CheckKind = HttpCheck | JobCheck


class HttpTarget(Strict):
    """A path of a route; may be written as the path alone."""

    path: UrlPath
    route: Label | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"path": _url_path(value)} if isinstance(value, str) else value


class Check(Strict):
    """Exactly one of `http` and `job`."""

    name: Label | None = None
    http: HttpTarget | None = None
    job: Job | None = None

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Check:
        if (self.http is None) == (self.job is None):
            raise ValueError("expected exactly one of `http: /path` and `job: {image, command}`")
        return self

    @property
    def kind(self) -> CheckKind:
        if self.http is not None:
            return HttpCheck(self.http.path, self.http.route or "")
        assert self.job is not None, "the validator allows no check without a kind"
        return JobCheck(self.job)

    @property
    def title(self) -> str:
        """The configured name, or one derived from the path or command."""
        if self.name:
            return self.name
        match self.kind:
            case HttpCheck(path, route):
                action = f"http-{route}-{path}"
            case JobCheck(job):
                action = f"job-{' '.join(job.command)}"
            case unknown:
                assert_never(unknown)
        return re.sub(r"[^a-z0-9]+", "-", action.lower())[:40].strip("-")


class PreviewSize(Strict):
    """Limits for all containers of an environment together; None means the operator's default."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    storage: Quantity | None = None
    pods: Quantity | None = None

    @field_validator("*")
    @classmethod
    def _at_most_the_largest(cls, value: str | None, info: ValidationInfo) -> str | None:
        largest = (info.context or {}).get("largest")
        if value is not None and largest is not None:
            limit: str = getattr(largest, str(info.field_name))
            if parse_quantity(value) > parse_quantity(limit):
                raise ValueError(f"{value} exceeds the operator's limit of {limit}")
        return value

    def override(self, default: Size) -> Size:
        """The default with the configured limits in place of its own."""
        return replace(default, **{name: value for name, value in self if value is not None})


class EnvironmentSection(Strict):
    """What previews, stages and demos configure alike."""

    size: PreviewSize = PreviewSize()
    config: Mapping[Variable, ConfigValue] = Field(default_factory=dict)
    secrets: Mapping[Variable, Reference] = Field(default_factory=dict, max_length=100)
    checks: tuple[Check, ...] = Field(default=(), max_length=20)
    cluster: Label | None = None
    """A cluster that the operator granted to the repository, instead of the default one."""

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        titles = [check.title for check in self.checks]
        if duplicates := sorted(title for title in titles if titles.count(title) > 1):
            raise ValueError(
                f"two checks are named {duplicates[0]!r}: set a different `name` for one of them"
            )
        if duplicates := sorted(self.config.keys() & self.secrets.keys()):
            raise ValueError(f"{duplicates[0]} is set in both `config` and `secrets`: remove one of them")
        return self

"""`.greenroom.yml`: what a repository says of its environments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bot.model.errors import ConfigurationError
from bot.model.manifest import Tool
from bot.model.size import Size, amount

PATH = ".greenroom.yml"
MIGRATIONS = "migrations"
"""The name of the check that `data.migrate` is."""
LARGEST = 64 * 1024
"""Characters. A configuration is read by people; larger ones are mistakes or attacks."""

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


def _relative(path: str) -> str:
    parts = path.strip("/").split("/")
    if path.startswith("/") or ".." in parts or "\\" in path:
        raise ValueError("a path is relative to the repository's root and stays inside it")
    return "/".join(part for part in parts if part not in ("", "."))


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
RelativePath = Annotated[str, AfterValidator(_relative)]
Label = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]


def _reference(text: str) -> str:
    # The text itself is not repeated: somebody may have put a secret there.
    if not _REFERENCE.fullmatch(text):
        raise ValueError("a secret is named by where it is: `env:NAME` or `kubernetes:NAMESPACE/NAME#KEY`")
    return text


Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


Reference = Annotated[str, AfterValidator(_reference)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageSource(_Strict):
    repository: str = Field(pattern=r"^[a-z0-9][a-zA-Z0-9.:_/-]*$")
    tag: str = Field(default="{sha}", pattern=r"^[A-Za-z0-9_.{}-]{1,140}$")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        path, colon, tag = value.rpartition(":")
        return {"repository": path, "tag": tag} if colon and "/" not in tag else {"repository": value}

    @model_validator(mode="after")
    def _names_the_commit(self) -> ImageSource:
        if "{sha}" not in self.tag:
            raise ValueError("the tag must contain {sha}, so that it names one commit's build")
        return self

    def tag_for(self, commit: str) -> str:
        return self.tag.replace("{sha}", commit)


class Chart(_Strict):
    chart: RelativePath
    values: tuple[RelativePath, ...] = Field(default=(), max_length=20)


class Manifests(_Strict):
    """Exactly one of `plain`, `kustomize` and `helm`."""

    plain: RelativePath | None = None
    kustomize: RelativePath | None = None
    helm: Chart | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Manifests:
        if len(self.model_fields_set) != 1 or all(getattr(self, name) is None for name in Tool):
            raise ValueError(
                "say where they are in one way: `plain: DIR`, `kustomize: DIR` or `helm: {chart: DIR}`"
            )
        return self

    @property
    def tool(self) -> Tool:
        return next(tool for tool in Tool if getattr(self, tool) is not None)

    @property
    def directory(self) -> str:
        """Of the plain manifests, the kustomization or the chart."""
        if self.helm is not None:
            return self.helm.chart
        return self.plain or self.kustomize or ""

    @property
    def values(self) -> tuple[str, ...]:
        return self.helm.values if self.helm is not None else ()


class Route(_Strict):
    service: Label
    port: int = Field(ge=1, le=65535)


class Job(_Strict):
    image: str = Field(min_length=1, max_length=400)
    command: tuple[str, ...] = Field(min_length=1)
    timeout: Duration = timedelta(minutes=10)


class Seed(Job):
    files: tuple[str, ...] = Field(default=(), max_length=20)
    """Patterns of paths of the commit."""


class OnPush(StrEnum):
    KEEP = "keep"
    RESET = "reset"


class Data(_Strict):
    on_push: OnPush = OnPush.KEEP
    migrate: Job | None = None
    seed: Seed | None = None


class Check(_Strict):
    """Exactly one of `http` and `job`."""

    name: Label | None = None
    http: str | None = Field(default=None, pattern=r"^/[^\s]*$", max_length=2000)
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


class Skip(_Strict):
    drafts: bool = False
    bots: bool = True
    paths_only: tuple[str, ...] = ()
    """Skipped when every changed path matches one of these patterns."""
    labels: tuple[str, ...] = ()


def _quantity(value: object) -> str:
    """YAML reads `cpu: 2` and `cpu: 0.5` as numbers."""
    text = str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    if amount(text) <= 0:
        raise ValueError("it has to be more than nothing")
    return text


Quantity = Annotated[str, BeforeValidator(_quantity)]


class PreviewSize(_Strict):
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
            if amount(value) > amount(most):
                raise ValueError(f"{value} is more than the {most} that the operator allows")
        return value

    def over(self, default: Size) -> Size:
        """The default with what is said here."""
        said = {name: value for name, value in self if value is not None}
        return replace(default, **said)


class Preview(_Strict):
    ttl: Duration | None = None
    size: PreviewSize = PreviewSize()
    skip: Skip = Skip()
    config: Mapping[Variable, str] = Field(default_factory=dict)
    secrets: Mapping[Variable, Reference] = Field(default_factory=dict, max_length=100)
    checks: tuple[Check, ...] = Field(default=(), max_length=20)

    @model_validator(mode="after")
    def _unique_names(self) -> Preview:
        titles = [check.title for check in self.checks]
        twice = {title for title in titles if titles.count(title) > 1}
        if twice:
            raise ValueError(f"two checks are called {sorted(twice)[0]!r}: give one of them another `name`")
        return self

    @model_validator(mode="after")
    def _configured_once(self) -> Preview:
        if both := sorted(self.config.keys() & self.secrets.keys()):
            raise ValueError(f"{both[0]} stands in both `config` and `secrets`: leave one of them out")
        return self


class Configuration(_Strict):
    version: Literal[1]
    images: Mapping[Label, ImageSource] = Field(min_length=1, max_length=20)
    manifests: Manifests
    route: Route | None = None
    data: Data | None = None
    preview: Preview = Preview()

    @model_validator(mode="after")
    def _one_check_of_migrations(self) -> Configuration:
        if self.data and self.data.migrate and any(each.title == MIGRATIONS for each in self.preview.checks):
            raise ValueError(f"a check may not be called {MIGRATIONS!r}: that is the one of `data.migrate`")
        return self


def parse_configuration(text: str, largest: Size | None = None) -> Configuration:
    """Raises ConfigurationError whose message names line and field.

    `largest` is the operator's ceiling for `preview.size`; where nobody knows it, none is held to it.
    """
    if len(text) > LARGEST:
        raise ConfigurationError(f"{PATH} is larger than {LARGEST // 1024} KiB")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[tuple[str | int, ...], int] = {}
        data = _construct(node, (), lines) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{PATH}, line {line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{PATH} is not readable YAML: {error}") from None
    if not isinstance(data, dict):
        raise ConfigurationError(f"{PATH}, line 1: expected a mapping that starts with `version: 1`")
    try:
        return Configuration.model_validate(data, context={"largest": largest})
    except ValidationError as error:
        raise ConfigurationError(
            "\n".join(_told(problem, lines) for problem in error.errors()[:10])
        ) from None


def _told(problem: Any, lines: Mapping[tuple[str | int, ...], int]) -> str:
    path = tuple(problem["loc"])
    known = path
    while known and known not in lines:
        known = known[:-1]
    field = ".".join(str(part) for part in path if part != "[key]") or "the file"
    message = {
        "extra_forbidden": "this field is not known here",
        "missing": "this field is missing",
        "model_type": "expected a mapping of fields",
        "string_type": "expected text; put quotes around it",
    }.get(problem["type"], str(problem["msg"]).removeprefix("Value error, "))
    return f"{PATH}, line {lines.get(known, 1)}, {field}: {message}"


def _construct(node: yaml.Node, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]) -> Any:
    """Plain values of the node tree, noting each path's line; no aliases, no duplicate keys, no tags."""
    lines.setdefault(path, node.start_mark.line + 1)
    if len(lines) > 5000 or len(path) > 20:
        raise ValueError("it is nested too deeply or repeats too much")
    if isinstance(node, yaml.SequenceNode):
        return [_construct(child, (*path, index), lines) for index, child in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key in found:
                what = "a key must be plain text" if key is None else f"the key {key!r} stands twice"
                raise yaml.MarkedYAMLError(problem=what, problem_mark=key_node.start_mark)
            lines[(*path, key)] = key_node.start_mark.line + 1
            found[key] = _construct(value_node, (*path, key), lines)
        return found
    return yaml.SafeLoader("").construct_object(node, deep=True)

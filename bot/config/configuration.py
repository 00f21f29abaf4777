"""`.greenroom.yml`: what a repository says of its environments."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from bot.config.fields import (
    Check,
    Duration,
    Job,
    Label,
    PreviewSize,
    Reference,
    RelativePath,
    Strict,
    Variable,
    matching,
)
from bot.config.stages import Demo, Problem, Stage, StageName, pipeline_problems
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.errors import ConfigurationError
from bot.model.hosts import HostGrants
from bot.model.manifest import Tool
from bot.model.repository import Repository
from bot.model.size import Size

CONFIG_FILE = ".greenroom.yml"
MIGRATIONS = "migrations"
"""The name of the check that `data.migrate` is."""
MAX_CHARACTERS = 64 * 1024
"""Characters. A configuration is read by people; larger ones are mistakes or attacks."""


class ImageSource(Strict):
    repository: Annotated[
        str,
        matching(r"[a-z0-9][a-zA-Z0-9.:_/-]*", "an image is registry and path, such as ghcr.io/acme/shop"),
    ]
    tag: Annotated[
        str,
        matching(
            r"[A-Za-z0-9_.{}-]{1,140}", "a tag has letters, digits, dots, dashes and underscores beside {sha}"
        ),
    ] = "{sha}"

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


class Chart(Strict):
    chart: RelativePath
    values: tuple[RelativePath, ...] = Field(default=(), max_length=20)


class Manifests(Strict):
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


class Route(Strict):
    service: Label
    port: int = Field(ge=1, le=65535)


class Seed(Job):
    files: tuple[str, ...] = Field(default=(), max_length=20)
    """Patterns of paths of the commit."""


class OnPush(StrEnum):
    KEEP = "keep"
    RESET = "reset"


class Data(Strict):
    on_push: OnPush = OnPush.KEEP
    migrate: Job | None = None
    seed: Seed | None = None


class Skip(Strict):
    drafts: bool = False
    bots: bool = True
    paths_only: tuple[str, ...] = ()
    """Skipped when every changed path matches one of these patterns."""
    labels: tuple[str, ...] = ()


class Preview(Strict):
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


class Configuration(Strict):
    version: Literal[1]
    images: Mapping[Label, ImageSource] = Field(min_length=1, max_length=20)
    manifests: Manifests
    route: Route | None = None
    data: Data | None = None
    preview: Preview = Preview()
    stages: Mapping[StageName, Stage] = Field(default_factory=dict, max_length=20)
    demo: Mapping[StageName, Demo] = Field(default_factory=dict, max_length=20)

    @property
    def follows_default_branch(self) -> bool:
        """Whether something here follows the default branch by itself."""
        pinned = any(demo.release is not None for demo in self.demo.values())
        return pinned or any(stage.follows_default_branch for stage in self.stages.values())

    @property
    def stages_and_demos(self) -> Mapping[str, Stage]:
        """Stages, and demos as the stages that they are for all but their way: no two have one name."""
        return {**self.stages, **{name: demo.as_stage for name, demo in self.demo.items()}}

    def find_stage(self, environment: EnvironmentKey) -> Stage | None:
        """None where the file has none of this name and kind."""
        if environment.kind is EnvironmentKind.STAGE:
            return self.stages.get(environment.name)
        demo = self.demo.get(environment.name) if environment.kind is EnvironmentKind.DEMO else None
        return demo.as_stage if demo is not None else None

    def section_of(self, environment: EnvironmentKey) -> Preview | Stage:
        """The part that is about one environment."""
        if environment.kind is EnvironmentKind.PREVIEW:
            return self.preview
        return self.stages_and_demos[environment.name]

    def data_of(self, environment: EnvironmentKey) -> Data:
        """Stages and demos keep their data, whatever is done to a preview's; stages are seeded on request."""
        data = self.data or Data()
        if environment.kind is EnvironmentKind.PREVIEW:
            return data
        seed = data.seed if self.stages_and_demos[environment.name].seeded else None
        return data.model_copy(update={"on_push": OnPush.KEEP, "seed": seed})

    @model_validator(mode="after")
    def _one_check_of_migrations(self) -> Configuration:
        checks = [
            *self.preview.checks,
            *(each for place in self.stages_and_demos.values() for each in place.checks),
        ]
        if self.data and self.data.migrate and any(each.title == MIGRATIONS for each in checks):
            raise ValueError(f"a check may not be called {MIGRATIONS!r}: that is the one of `data.migrate`")
        return self


def parse_configuration(text: str, largest: Size | None = None) -> Configuration:
    """Raises ConfigurationError whose message names line and field.

    `largest` is the operator's ceiling for `preview.size`; where nobody knows it, none is held to it.
    """
    data, lines = _read(text)
    try:
        configuration = Configuration.model_validate(data, context={"largest": largest})
    except ValidationError as error:
        found = [(tuple(problem["loc"]), _message(problem)) for problem in error.errors()]
    else:
        routed = configuration.route is not None
        found = pipeline_problems(configuration.stages, configuration.demo, routed=routed)
        if not found:
            return configuration
    raise ConfigurationError("\n".join(_told(problem, lines) for problem in found[:10]))


def host_objection(
    configuration: Configuration, text: str, key: EnvironmentKey, repository: Repository, grants: HostGrants
) -> str | None:
    """Why the stage cannot have the host that it names, with line and field; None when it can."""
    stage = configuration.find_stage(key)
    if stage is None or stage.host is None:
        return None
    why = grants.objection(stage.host, repository)
    return _told((("stages", key.name, "host"), why), _read(text)[1]) if why is not None else None


def _read(text: str) -> tuple[Any, Mapping[tuple[str | int, ...], int]]:
    """Plain values, and the line of each. ConfigurationError for what is no mapping in YAML."""
    if len(text) > MAX_CHARACTERS:
        raise ConfigurationError(f"{CONFIG_FILE} is larger than {MAX_CHARACTERS // 1024} KiB")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[tuple[str | int, ...], int] = {}
        data = _construct(node, (), lines) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{CONFIG_FILE}, line {line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{CONFIG_FILE} is not readable YAML: {error}") from None
    if not isinstance(data, dict):
        raise ConfigurationError(f"{CONFIG_FILE}, line 1: expected a mapping that starts with `version: 1`")
    return data, lines


def field_line(text: str, *path: str) -> int:
    """Where a field of a configuration that can be used stands."""
    return _read(text)[1].get(path, 1)


def _told(problem: Problem, lines: Mapping[tuple[str | int, ...], int]) -> str:
    path, message = problem
    known = path
    while known and known not in lines:
        known = known[:-1]
    field = ".".join(str(part) for part in path if part != "[key]") or "the file"
    return f"{CONFIG_FILE}, line {lines.get(known, 1)}, {field}: {message}"


def _message(problem: Any) -> str:
    words = _MESSAGES.get(problem["type"])
    context = problem.get("ctx") or {}
    return words.format(**context) if words else str(problem["msg"]).removeprefix("Value error, ")


_MESSAGES: Mapping[str, str] = {
    "extra_forbidden": "this field is not known here",
    "missing": "this field is missing",
    "model_type": "expected a mapping of fields; `{{}}` where none is needed",
    "dict_type": "expected a mapping: names, each with its value",
    "mapping_type": "expected a mapping: names, each with its value",
    "string_type": "expected text; put quotes around it",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "it may not be empty",
    "tuple_type": "expected a list, such as [one, another]",
    "too_long": "at most {max_length} of them",
    "too_short": "at least {min_length} of them",
    "bool_type": "expected `true` or `false`",
    "bool_parsing": "expected `true` or `false`",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "greater_than_equal": "it has to be {ge} or more",
    "less_than_equal": "it has to be {le} or less",
    "enum": "expected {expected}",
}
"""What people read of what pydantic found. Other kinds have messages of our own."""


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

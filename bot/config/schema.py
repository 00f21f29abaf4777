"""The schema of `.greenroom.yml`: how a repository configures its environments."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from bot.config.documents import Path, line_of
from bot.config.fields import (
    Duration,
    EnvironmentSection,
    Job,
    Label,
    Pattern,
    RelativePath,
    Strict,
    matching,
    with_placeholders,
)
from bot.config.routes import Route, Routes, routing
from bot.config.stages import Demo, Stage, StageName
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.image_reference import repository_key, split_reference
from bot.model.manifest import Tool
from bot.model.routing import Routing

MIGRATIONS = "migrations"
"""The name of the check that reports `data.migrate`."""


_IMAGE = r"[a-z0-9][a-zA-Z0-9.:_/-]*"
_EXPECTED_IMAGE = "expected an image with registry and path, such as ghcr.io/acme/shop"


class ImageSource(Strict):
    """Where CI pushes an image; may be written as `REPOSITORY[:TAG]`."""

    repository: Annotated[str, matching(_IMAGE, _EXPECTED_IMAGE)]
    tag: Annotated[
        str,
        matching(
            r"[A-Za-z0-9_.{}-]{1,140}",
            "a tag may contain {sha}, letters, digits, dots, dashes and underscores",
        ),
    ] = "{sha}"
    name: Annotated[str, matching(_IMAGE, _EXPECTED_IMAGE)] | None = None
    """The image in the manifests, if it differs from the repository to which CI pushes."""

    @model_validator(mode="before")
    @classmethod
    def _parse_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        name, tag, digest = split_reference(value)
        # A digest stays in the repository, whose pattern refuses it.
        return {"repository": value} if tag is None or digest else {"repository": name, "tag": tag}

    @model_validator(mode="after")
    def _identifies_a_commit(self) -> ImageSource:
        if "{sha}" not in self.tag:
            raise ValueError("the tag must contain {sha}, so that it identifies the build of one commit")
        return self

    def tag_for(self, commit: str) -> str:
        return self.tag.replace("{sha}", commit)


ValuePath = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_-]([A-Za-z0-9_/-]|\\\.|\.|\[\d{1,3}\]){0,200}",
        "expected the path of a value, such as ingress.host or hosts[0].name",
    ),
]
Scalar = StrictBool | StrictInt | StrictFloat | Annotated[StrictStr, AfterValidator(with_placeholders)] | None


class Chart(Strict):
    chart: RelativePath
    values: tuple[RelativePath, ...] = Field(default=(), max_length=20)
    set: Mapping[ValuePath, Scalar] = Field(default_factory=dict, max_length=50)
    """Values by path, over the values files; texts may have placeholders."""


KindPattern = Annotated[
    str,
    matching(
        r"[A-Za-z0-9*][A-Za-z0-9.*-]*(/[A-Za-z0-9*]+)?",
        "expected a kind, with its API group if needed, such as ServiceMonitor or `*.istio.io/*`",
    ),
]


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Manifests(Strict):
    """Exactly one of `plain`, `kustomize` and `helm`."""

    plain: Annotated[
        tuple[RelativePath, ...] | None, BeforeValidator(_listed), Field(min_length=1, max_length=20)
    ] = None
    """Folders, files and patterns; may be written as one text."""
    kustomize: RelativePath | None = None
    helm: Chart | None = None
    ignore: tuple[KindPattern, ...] = Field(default=(), max_length=50)
    """Kinds that are left out, such as `ServiceMonitor` or `*.istio.io/*`."""

    @model_validator(mode="after")
    def _exactly_one_tool(self) -> Manifests:
        if len(self.model_fields_set - {"ignore"}) != 1 or all(getattr(self, name) is None for name in Tool):
            raise ValueError(
                "expected exactly one of `plain: DIR`, `kustomize: DIR` and `helm: {chart: DIR}`"
            )
        return self

    @property
    def tool(self) -> Tool:
        return next(tool for tool in Tool if getattr(self, tool) is not None)

    @property
    def directory(self) -> str:
        """The directory of the kustomization or the chart; "" for plain manifests."""
        if self.helm is not None:
            return self.helm.chart
        return self.kustomize or ""

    @property
    def values(self) -> tuple[str, ...]:
        return self.helm.values if self.helm is not None else ()

    @property
    def helm_settings(self) -> Mapping[str, object]:
        return self.helm.set if self.helm is not None else {}


class Seed(Job):
    files: tuple[Pattern, ...] = Field(default=(), max_length=20)
    """Glob patterns of files in the commit."""


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
    paths_only: tuple[Pattern, ...] = Field(default=(), max_length=50)
    """A pull request is skipped when every changed path matches one of these patterns."""
    labels: tuple[str, ...] = ()


class Preview(EnvironmentSection):
    ttl: Duration | None = None
    skip: Skip = Skip()


class Configuration(Strict):
    version: Literal[1]
    images: Mapping[Label, ImageSource] = Field(min_length=1, max_length=20)
    manifests: Manifests
    route: Route | None = None
    routes: Routes | None = None
    data: Data | None = None
    preview: Preview = Preview()
    stages: Mapping[StageName, Stage] = Field(default_factory=dict, max_length=20)
    demo: Mapping[StageName, Demo] = Field(default_factory=dict, max_length=20)
    _lines: Mapping[Path, int] = PrivateAttr(default_factory=dict)

    @property
    def routing(self) -> Routing:
        return routing(self.route, self.routes, self._line)

    def _line(self, *path: str | int) -> int:
        return line_of(self._lines, path) if self._lines else 0

    def model_post_init(self, context: Any) -> None:
        """`lines` of the validation's context: the lines of the fields, for messages."""
        self._lines = (context or {}).get("lines", {})

    @property
    def follows_default_branch(self) -> bool:
        """Whether a stage or demo follows the default branch automatically."""
        pinned = any(demo.release is not None for demo in self.demo.values())
        return pinned or any(stage.follows_default_branch for stage in self.stages.values())

    @property
    def job_images(self) -> tuple[str, ...]:
        """The images of all Jobs, as written."""
        data, sections = self.data or Data(), (self.preview, *self.stages_and_demos.values())
        jobs = [data.migrate, data.seed, *(check.job for section in sections for check in section.checks)]
        return tuple(dict.fromkeys(job.image for job in jobs if job is not None))

    @property
    def stages_and_demos(self) -> Mapping[str, Stage]:
        """All stages by name, with demos as stages. Names are unique across both."""
        return {**self.stages, **{name: demo.as_stage for name, demo in self.demo.items()}}

    def find_stage(self, environment: EnvironmentKey) -> Stage | None:
        """The stage or demo of this name and kind; None when the file has none."""
        if environment.kind is EnvironmentKind.STAGE:
            return self.stages.get(environment.name)
        demo = self.demo.get(environment.name) if environment.kind is EnvironmentKind.DEMO else None
        return demo.as_stage if demo is not None else None

    def section_of(self, environment: EnvironmentKey) -> Preview | Stage:
        """The section that configures one environment."""
        if environment.kind is EnvironmentKind.PREVIEW:
            return self.preview
        return self.stages_and_demos[environment.name]

    def data_of(self, environment: EnvironmentKey) -> Data:
        """Stages and demos always keep their data, and are seeded only when their section asks for it."""
        data = self.data or Data()
        if environment.kind is EnvironmentKind.PREVIEW:
            return data
        seed = data.seed if self.stages_and_demos[environment.name].seeded else None
        return data.model_copy(update={"on_push": OnPush.KEEP, "seed": seed})

    @model_validator(mode="after")
    def _distinct_image_names(self) -> Configuration:
        names: dict[str, str] = {}
        for image, source in self.images.items():
            other = names.setdefault(repository_key(source.name or source.repository), image)
            if other != image:
                raise ValueError(f"the images {other!r} and {image!r} have the same name in the manifests")
        return self

    @model_validator(mode="after")
    def _reserved_check_name(self) -> Configuration:
        sections = (self.preview, *self.stages_and_demos.values())
        titles = {check.title for section in sections for check in section.checks}
        if self.data and self.data.migrate and MIGRATIONS in titles:
            raise ValueError(f"the check name {MIGRATIONS!r} is reserved for `data.migrate`")
        return self

"""The schema of `.greenroom.yml`: how a repository configures its environments."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from bot.config.documents import Path, line_of
from bot.config.fields import (
    Duration,
    EnvironmentSection,
    Job,
    Label,
    Pattern,
    Strict,
    matching,
)
from bot.config.infrastructure import DestroyPolicy, Infrastructure
from bot.config.manifests import Manifests, PreviewManifests
from bot.config.routes import Route, Routes, routing
from bot.config.sleep import SleepSchedule
from bot.config.stages import Demo, Stage, StageName
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.image_reference import NAME, parse_reference, repository_key, split_reference
from bot.model.routing import Routing

MIGRATIONS = "migrations"
"""The name of the check that reports `data.migrate`."""


_IMAGE = r"[a-z0-9][a-zA-Z0-9.:_/-]*"
_EXPECTED_IMAGE = "expected an image with registry and path, such as ghcr.io/acme/shop"


def _repository(text: str) -> str:
    if parse_reference(text).tag is not None:
        raise ValueError(f"{_EXPECTED_IMAGE}; write the tag as `tag`")
    return text


class ImageSource(Strict):
    """Where CI pushes an image; may be written as `REPOSITORY[:TAG]`."""

    repository: Annotated[str, matching(_IMAGE, _EXPECTED_IMAGE), AfterValidator(_repository)]
    tag: Annotated[
        str,
        matching(
            r"[A-Za-z0-9_.{}-]{1,140}",
            "a tag may contain {sha}, letters, digits, dots, dashes and underscores",
        ),
    ] = "{sha}"
    name: Annotated[str, matching(NAME.pattern, _EXPECTED_IMAGE)] | None = None
    """The image in the manifests, if it differs from the repository to which CI pushes: another image, or a
    placeholder such as `${REGISTRY}/shop`."""

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
    manifests: PreviewManifests | None = None
    infrastructure: Infrastructure | None = None
    ttl: Duration | None = None
    sleep_after: Duration | None = None
    """Without requests for this time its workloads are stopped until it is used again."""
    sleep: SleepSchedule | None = None
    skip: Skip = Skip()


class Configuration(Strict):
    version: Literal[1]
    images: Mapping[Label, ImageSource] = Field(min_length=1, max_length=50)
    manifests: Manifests
    route: Route | None = None
    routes: Routes | None = None
    data: Data | None = None
    infrastructure: Infrastructure | None = None
    preview: Preview = Preview()
    stages: Mapping[StageName, Stage] = Field(default_factory=dict, max_length=20)
    demo: Mapping[StageName, Demo] = Field(default_factory=dict, max_length=20)
    keep_failure_logs: bool = True
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

    def manifests_of(self, environment: EnvironmentKey) -> Manifests:
        """The production manifests, with the additions of `preview.manifests` for a preview."""
        added = self.preview.manifests if environment.kind is EnvironmentKind.PREVIEW else None
        return self.manifests if added is None else added.onto(self.manifests)

    def data_of(self, environment: EnvironmentKey) -> Data:
        """Stages and demos always keep their data, and are seeded only when their section asks for it."""
        data = self.data or Data()
        if environment.kind is EnvironmentKind.PREVIEW:
            return data
        seed = data.seed if self.stages_and_demos[environment.name].seeded else None
        return data.model_copy(update={"on_push": OnPush.KEEP, "seed": seed})

    def infrastructure_of(self, environment: EnvironmentKey) -> Infrastructure | None:
        """The effective section of one environment; None when it has no infrastructure."""
        own = self.section_of(environment).infrastructure
        effective = (self.infrastructure or Infrastructure()).override(own)
        if effective.terraform is None:
            return None
        is_preview = environment.kind is EnvironmentKind.PREVIEW
        default = DestroyPolicy.ALLOW if is_preview else DestroyPolicy.APPROVE
        return effective.model_copy(update={"destroy": effective.destroy or default})

    @property
    def environment_sections(self) -> Mapping[tuple[str, ...], Preview | Stage | Demo]:
        """The sections of environments by their paths in the file."""
        sections: dict[tuple[str, ...], Preview | Stage | Demo] = {("preview",): self.preview}
        sections |= {("stages", name): stage for name, stage in self.stages.items()}
        return sections | {("demo", name): demo for name, demo in self.demo.items()}

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

"""The sections `manifests` and `preview.manifests` of `.greenroom.yml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from bot.config.fields import Problem, RelativePath, Strict, matching, with_placeholders
from bot.model.manifest import Tool

ValuePath = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_-]([A-Za-z0-9_/-]|\\\.|\.|\[\d{1,3}\]){0,200}",
        "expected the path of a value, such as ingress.host or hosts[0].name",
    ),
]
Scalar = StrictBool | StrictInt | StrictFloat | Annotated[StrictStr, AfterValidator(with_placeholders)] | None


Settings = Mapping[ValuePath, Scalar]


class Chart(Strict):
    chart: RelativePath
    values: tuple[RelativePath, ...] = Field(default=(), max_length=20)
    set: Settings = Field(default_factory=dict, max_length=50)
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


Paths = Annotated[tuple[RelativePath, ...], BeforeValidator(_listed), Field(min_length=1, max_length=20)]


class Manifests(Strict):
    """Exactly one of `plain`, `kustomize` and `helm`."""

    plain: Paths | None = None
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


class PreviewManifests(Strict):
    """What previews have in place of what production has from outside, such as a managed database."""

    plain: Paths | None = None
    """Further folders, files and patterns of plain manifests."""
    kustomize: RelativePath | None = None
    """An overlay in place of the production manifests."""
    values: tuple[RelativePath, ...] = Field(default=(), max_length=20)
    """Further values files of the chart."""
    set: Settings = Field(default_factory=dict, max_length=50)
    """Values by path, over all values files and over `manifests.helm.set`."""

    def onto(self, manifests: Manifests) -> Manifests:
        """The manifests of previews."""
        changed: dict[str, object] = {}
        if self.kustomize is not None:
            changed = {"kustomize": self.kustomize, "plain": None}
        elif self.plain is not None:
            changed = {"plain": (*(manifests.plain or ()), *self.plain)}
        elif (chart := manifests.helm) is not None:
            values, settings = (*chart.values, *self.values), {**chart.set, **self.set}
            changed = {"helm": chart.model_copy(update={"values": values, "set": settings})}
        return manifests.model_copy(update=changed)


def preview_problems(manifests: Manifests, added: PreviewManifests | None) -> Iterator[Problem]:
    """Fields of `preview.manifests` that do not fit the tool of `manifests`."""
    if added is None:
        return
    fitting = {
        Tool.PLAIN: ("plain", "kustomize"),
        Tool.KUSTOMIZE: ("kustomize",),
        Tool.HELM: ("values", "set"),
    }[manifests.tool]
    for name in sorted(added.model_fields_set):
        if name not in fitting:
            fields = " or ".join(f"`{field}`" for field in fitting)
            yield ("preview", "manifests", name), f"with `manifests.{manifests.tool}`, set {fields}"
    if len(added.model_fields_set & {"plain", "kustomize"}) > 1:
        yield ("preview", "manifests"), "set either `plain`, which adds manifests, or `kustomize`"

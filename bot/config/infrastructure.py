"""The `infrastructure` sections of `.greenroom.yml`: a Terraform module per environment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from bot.config.fields import (
    ConfigValue,
    Problem,
    Reference,
    RelativePath,
    Strict,
    Variable,
    matching,
    relative_path,
)

_SECTION = "infrastructure"
_FULL_SHA = re.compile(r"[0-9a-f]{40}")

TerraformName = Annotated[
    str,
    matching(
        r"[A-Za-z_][A-Za-z0-9_-]{0,99}",
        "a Terraform name has letters, digits, underscores and dashes, such as database_url",
    ),
]
ModulePath = Annotated[RelativePath, Field(max_length=200)]
RepositoryName = Annotated[
    str,
    matching(
        r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}",
        "expected a repository as OWNER/NAME, such as acme/modules",
    ),
]
Ref = Annotated[
    str,
    matching(
        r"(?!/)(?!.*(?:\.\.|//|@\{))[A-Za-z0-9._/+@-]{1,200}",
        "expected a tag or a full commit SHA, such as v1.2.0",
    ),
]
_NO_MODULE = "required field is missing: `terraform: FOLDER`, the folder of the module"


class DestroyPolicy(StrEnum):
    """What happens to a plan that destroys or replaces something."""

    APPROVE = "approve"
    ALLOW = "allow"
    REFUSE = "refuse"


class ModuleSource(Strict):
    """Where the module is; may be written as a folder of the repository alone."""

    path: ModulePath = ""
    """The folder; "" for the root of another repository."""
    repository: RepositoryName | None = None
    """A repository other than the application's."""
    ref: Ref | None = None
    """A tag or a full commit SHA of the other repository."""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: object) -> object:
        return {"path": relative_path(value)} if isinstance(value, str) else value

    @model_serializer(mode="wrap")
    def _as_path(self, serialize: SerializerFunctionWrapHandler) -> object:
        return serialize(self) if self.repository is not None else self.path

    @property
    def full_sha(self) -> bool:
        return self.ref is not None and _FULL_SHA.fullmatch(self.ref) is not None


class Infrastructure(Strict):
    """At the top level for all environments; in the section of an environment, what differs there."""

    terraform: ModuleSource | None = None
    variables: Mapping[TerraformName, ConfigValue] = Field(default_factory=dict, max_length=100)
    secrets: Mapping[TerraformName, Reference] = Field(default_factory=dict, max_length=100)
    outputs: Mapping[Variable, TerraformName] = Field(default_factory=dict, max_length=100)
    """Output of the module by the environment variable that gets its value."""
    destroy: DestroyPolicy | None = None
    """Without it: `allow` for previews, `approve` for stages and demos."""

    def override(self, own: Infrastructure | None) -> Infrastructure:
        """This section with the values of an environment's own section in place of its own."""
        if own is None:
            return self
        variables, secrets = {**self.variables, **own.variables}, {**self.secrets, **own.secrets}
        return Infrastructure(
            terraform=own.terraform or self.terraform,
            variables={name: value for name, value in variables.items() if name not in own.secrets},
            secrets={name: value for name, value in secrets.items() if name not in own.variables},
            outputs={**self.outputs, **own.outputs},
            destroy=own.destroy or self.destroy,
        )


def infrastructure_problems(
    common: Infrastructure | None,
    sections: Mapping[tuple[str, ...], tuple[Infrastructure | None, frozenset[str]]],
) -> Iterator[Problem]:
    """Problems of all sections; `sections` by path, each with the variables that it sets otherwise."""
    if common is not None:
        if common.terraform is None:
            yield (_SECTION,), _NO_MODULE
        yield from _source_problems((_SECTION,), common)
        yield from _duplicates((_SECTION,), common)
    for path, (own, taken) in sections.items():
        if own is not None:
            if common is None and own.terraform is None:
                yield (*path, _SECTION), _NO_MODULE
            yield from _source_problems((*path, _SECTION), own)
            yield from _duplicates((*path, _SECTION), own)
        for name in sorted(taken & {*(common.outputs if common else ()), *(own.outputs if own else ())}):
            place = (*path, _SECTION) if own is not None and name in own.outputs else (_SECTION,)
            others = ".".join(path)
            yield (
                (*place, "outputs", name),
                f"{name} is also set by `{others}.config` or `{others}.secrets`: remove one of them",
            )


def _source_problems(path: tuple[str, ...], section: Infrastructure) -> Iterator[Problem]:
    source = section.terraform
    if source is None:
        return
    place = (*path, "terraform")
    if source.repository is None and source.ref is not None:
        yield (
            (*place, "ref"),
            "only a module in another `repository` has a ref",
        )
    elif source.repository is None and not source.path:
        yield place, "expected the folder of the module"
    elif source.repository is not None and source.ref is None:
        message = "required field is missing: `ref`, a tag or a full commit SHA of the other repository"
        yield (*place, "repository"), message


def _duplicates(path: tuple[str, ...], section: Infrastructure) -> Iterator[Problem]:
    for name in sorted(section.variables.keys() & section.secrets.keys()):
        message = f"{name} is set in both `variables` and `secrets`: remove one of them"
        yield (*path, "secrets", name), message

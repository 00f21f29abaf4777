"""The `infrastructure` sections of `.greenroom.yml`: a Terraform module per environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bot.config.fields import (
    ConfigValue,
    Problem,
    Reference,
    RelativePath,
    Strict,
    Variable,
    matching,
)

_SECTION = "infrastructure"

TerraformName = Annotated[
    str,
    matching(
        r"[A-Za-z_][A-Za-z0-9_-]{0,99}",
        "a Terraform name has letters, digits, underscores and dashes, such as database_url",
    ),
]
ModulePath = Annotated[RelativePath, Field(min_length=1, max_length=200)]


class DestroyPolicy(StrEnum):
    """What happens to a plan that destroys or replaces something."""

    APPROVE = "approve"
    ALLOW = "allow"
    REFUSE = "refuse"


class Infrastructure(Strict):
    """At the top level for all environments; in the section of an environment, what differs there."""

    terraform: ModulePath | None = None
    """The folder of the module, in the repository."""
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
            yield (_SECTION,), "required field is missing: `terraform: FOLDER`, the folder of the module"
        yield from _duplicates((_SECTION,), common)
    for path, (own, taken) in sections.items():
        if own is not None:
            if common is None and own.terraform is None:
                message = "required field is missing: `terraform: FOLDER`, the folder of the module"
                yield (*path, _SECTION), message
            yield from _duplicates((*path, _SECTION), own)
        for name in sorted(taken & {*(common.outputs if common else ()), *(own.outputs if own else ())}):
            place = (*path, _SECTION) if own is not None and name in own.outputs else (_SECTION,)
            others = ".".join(path)
            yield (
                (*place, "outputs", name),
                f"{name} is also set by `{others}.config` or `{others}.secrets`: remove one of them",
            )


def _duplicates(path: tuple[str, ...], section: Infrastructure) -> Iterator[Problem]:
    for name in sorted(section.variables.keys() & section.secrets.keys()):
        message = f"{name} is set in both `variables` and `secrets`: remove one of them"
        yield (*path, "secrets", name), message

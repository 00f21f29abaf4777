"""The file of GREENROOM_METRICS_PROVIDERS: metrics providers, and which repositories may choose them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bot.config.documents import Document, DocumentError, line_of, yaml_documents
from bot.config.fields import Label
from bot.config.loader import problem_message
from bot.config.repositories import Repositories
from bot.metrics.credentials import Credential
from bot.metrics.queries import PRESETS, Preset, Queries
from bot.settings import SettingsError, variable
from bot.settings.values import Duration, File, Url

GATEWAY = "gateway"
"""The name of the provider that GREENROOM_GATEWAY_METRICS makes."""
_LONGEST_TIMEOUT = timedelta(seconds=30)
_MAX_PROBLEMS = 10


def _not_reserved(name: str) -> str:
    if name == GATEWAY:
        raise ValueError("`gateway` is the provider of GREENROOM_GATEWAY_METRICS: choose another name")
    return name


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class BasicAuth(_Model):
    username: str = Field(min_length=1, max_length=200)
    password: Credential


class PrometheusSettings(_Model):
    """One Prometheus, or what has its HTTP API."""

    url: Url
    preset: Preset | None = None
    queries: Queries | None = None
    """In place of a preset."""
    repositories: Repositories
    clusters: tuple[Label, ...] | None = Field(default=None, min_length=1, max_length=50)
    """Whose requests it counts; None for all clusters."""
    bearer_token: Credential | None = None
    basic_auth: BasicAuth | None = None
    ca_file: File | None = None
    timeout: Annotated[Duration, Field(le=_LONGEST_TIMEOUT)] = timedelta(seconds=10)

    @model_validator(mode="after")
    def _consistent(self) -> PrometheusSettings:
        if (self.preset is None) == (self.queries is None):
            raise ValueError("expected exactly one of `preset` and `queries`")
        if self.bearer_token is not None and self.basic_auth is not None:
            raise ValueError("expected at most one of `bearer_token` and `basic_auth`")
        return self

    @property
    def effective_queries(self) -> Queries:
        if self.queries is not None:
            return self.queries
        assert self.preset is not None, "one of both is set"
        return PRESETS[self.preset]

    def covers(self, cluster: str) -> bool:
        return self.clusters is None or cluster in self.clusters


class ProviderFile(_Model):
    version: Literal[1] = 1
    providers: Mapping[Annotated[Label, AfterValidator(_not_reserved)], PrometheusSettings] = Field(
        default={}, max_length=50
    )


def read_providers(path: str | None) -> Mapping[str, PrometheusSettings]:
    """The providers by name; none without a file. Raises SettingsError with one line per problem."""
    if path is None:
        return {}
    try:
        document = _read(path)
        return ProviderFile.model_validate(document.value).providers
    except DocumentError as error:
        raise _invalid(path, [f"line {error.line or 1}: {error}"]) from None
    except ValidationError as error:
        problems = [_problem(document, details) for details in error.errors(include_input=False)]
        raise _invalid(path, problems) from None


def _read(path: str) -> Document:
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        raise DocumentError("the file cannot be read as text") from None
    documents = list(yaml_documents(text))
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise DocumentError("expected one mapping with `providers`", 1)
    return documents[0]


def _problem(document: Document, details: Any) -> str:
    path = tuple(part for part in details["loc"] if part != "[key]")
    return f"line {line_of(document.lines, path)}, {'.'.join(map(str, path))}: {problem_message(details)}"


def _invalid(path: str, problems: list[str]) -> SettingsError:
    name = variable("metrics_providers")
    return SettingsError([f"{name} is invalid: {path}, {problem}" for problem in problems[:_MAX_PROBLEMS]])

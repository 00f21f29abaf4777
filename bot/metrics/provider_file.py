"""The file of GREENROOM_METRICS_PROVIDERS: metrics providers, and which repositories may choose them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bot.config.fields import Label
from bot.config.operator_files import OperatorModel, read_operator_file
from bot.config.repositories import Repositories
from bot.metrics.credentials import Credential
from bot.metrics.queries import PRESETS, Preset, Queries
from bot.settings.values import Duration, File, Url

GATEWAY = "gateway"
"""The name of the provider that GREENROOM_GATEWAY_METRICS makes."""
_LONGEST_TIMEOUT = timedelta(seconds=30)


def _not_reserved(name: str) -> str:
    if name == GATEWAY:
        raise ValueError("`gateway` is the provider of GREENROOM_GATEWAY_METRICS: choose another name")
    return name


class BasicAuth(OperatorModel):
    username: str = Field(min_length=1, max_length=200)
    password: Credential


class PrometheusSettings(OperatorModel):
    """One Prometheus, or a server with its HTTP API."""

    url: Url
    preset: Preset | None = None
    queries: Queries | None = None
    """Queries in place of a preset."""
    repositories: Repositories
    clusters: tuple[Label, ...] | None = Field(default=None, min_length=1, max_length=50)
    """Clusters whose requests it counts; None for all clusters."""
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


class ProviderFile(OperatorModel):
    version: Literal[1] = 1
    providers: Mapping[Annotated[Label, AfterValidator(_not_reserved)], PrometheusSettings] = Field(
        default={}, max_length=50
    )


def read_providers(path: str | None) -> Mapping[str, PrometheusSettings]:
    """The providers by name; none without a file. Raises SettingsError with one line per problem."""
    if path is None:
        return {}
    return read_operator_file("metrics_providers", path, ProviderFile).content.providers

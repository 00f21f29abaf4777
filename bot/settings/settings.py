"""The settings of the bot, read once from environment variables."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, create_model, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.clients.proxies import InvalidProxy, Proxies
from bot.model.errors import GreenroomError
from bot.model.hosts import HostGrants
from bot.model.naming import PREVIEW_ENVIRONMENT
from bot.model.size import Size
from bot.settings.infrastructure import InfrastructureSettings
from bot.settings.manifests import ManifestSettings
from bot.settings.values import (
    Address,
    BaseDomain,
    DatabaseUrl,
    Domain,
    Duration,
    File,
    NamespacedName,
    PrivateKey,
    Secret,
    SizeText,
    Url,
)

PREFIX = "GREENROOM_"


class SettingsError(GreenroomError):
    """Missing or invalid settings; `problems` has one line per setting and never contains a secret."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Settings(InfrastructureSettings):
    """All settings. `read_settings` reads them from the environment."""

    github_api_url: Url = Field(
        default="https://api.github.com",
        description="URL of GitHub's REST API. GitHub Enterprise Server: `https://HOST/api/v3`.",
    )
    github_app_id: int = Field(gt=0, description="Id of the GitHub App, a number on the App's settings page.")
    github_private_key: PrivateKey = Field(
        description="Private key of the App: the PEM text, or the path of the PEM file.",
    )
    github_ca_file: File | None = Field(
        default=None,
        description="PEM file of the certificate authority of GitHub's certificate, "
        "if it is not a public one.",
    )
    github_client_id: str | None = Field(
        default=None, description="Client id of the App. Enables sign-in to the web pages."
    )
    github_client_secret: Secret | None = Field(
        default=None, description="Client secret of the App. Changing it signs all users out."
    )
    webhook_secret: Secret = Field(
        description="Webhook secret of the App. Deliveries with another signature are rejected."
    )
    webhook_secret_previous: Secret | None = Field(
        default=None, description="Previous webhook secret, accepted in addition while you rotate the secret."
    )
    public_url: Url = Field(
        description="URL at which GitHub and users reach the bot, such as `https://greenroom.example.com`."
    )
    database_url: DatabaseUrl = Field(
        default=SecretStr("sqlite:///greenroom.db"),
        description="URL of the database: `sqlite:///PATH` (four slashes for an absolute path) or "
        "`postgresql://USER:PASSWORD@HOST/NAME`. More than one replica requires PostgreSQL.",
    )
    preview_environment: str = Field(
        default=PREVIEW_ENVIRONMENT,
        pattern=r"^[^\s,][^\n,]{0,200}$",
        description="Name of the GitHub Environment in which Deployments of previews are shown. `{number}` "
        "stands for the number of the pull request; then each one leaves an environment on GitHub.",
    )
    gateway_address: Address | None = Field(
        default=None,
        description="`HOST:PORT` at which the bot reaches the gateway, "
        "if the base domain does not resolve where the bot runs.",
    )
    gateway_ca_file: File | None = Field(
        default=None,
        description="PEM file of the certificate authority of the gateway's certificate, "
        "if it is not a public one.",
    )
    gateway_metrics: Url | None = Field(
        default=None,
        description="URL of the metrics of the gateway's pods, for canaries and idle previews: every address "
        "to which its host resolves is read, such as `http://traefik-metrics.traefik.svc:9100/metrics` of a "
        "headless Service.",
    )
    metrics_providers: File | None = Field(
        default=None,
        description="File with metrics providers (Prometheus) for canaries, and which repositories may "
        "choose each: see [rollouts.md](rollouts.md#metrics).",
    )
    largest_size: SizeText = Field(
        default=Size(), description="Upper bound for `preview.size` in `.greenroom.yml`."
    )
    fork_size: SizeText = Field(default=Size(), description="Upper bound for previews of forks.")
    secrets_managers: File | None = Field(
        default=None,
        description="File with secret managers (Vault, AWS) and what each repository may read from them: see "
        "[secrets.md](secrets.md#secret-managers).",
    )
    workers: int = Field(
        default=8, ge=1, le=256, description="Number of work items that one replica processes at once."
    )
    default_ttl: Duration = Field(
        default=timedelta(hours=72),
        description="Lifetime of a preview after its last push, unless `.greenroom.yml` sets `preview.ttl`.",
    )
    longest_ttl: Duration = Field(
        default=timedelta(days=14), description="Upper bound for `preview.ttl` and for `/extend`."
    )
    resync_interval: Duration = Field(
        default=timedelta(minutes=10),
        description="Interval of the sweep that reads all open pull requests again.",
    )
    redelivery_interval: Duration = Field(
        default=timedelta(minutes=5),
        description="Interval of the sweep that requests failed webhook deliveries again.",
    )
    expiry_interval: Duration = Field(
        default=timedelta(minutes=1), description="Interval of the sweep that deletes expired previews."
    )
    orphans_interval: Duration = Field(
        default=timedelta(minutes=15), description="Interval of the sweep that deletes orphaned namespaces."
    )
    history_retention: Duration = Field(
        default=timedelta(days=90),
        description="How long deleted previews, decisions and unused releases stay in the store.",
    )
    failure_log_retention: Duration = Field(
        default=timedelta(days=7),
        description="How long events and log tails of failed attempts stay in the store.",
    )
    max_previews: int | None = Field(
        default=None,
        ge=1,
        description="Maximum number of running previews. Further previews wait in a queue.",
    )
    max_previews_per_repository: int | None = Field(
        default=None, ge=1, description="Maximum number of running previews per repository."
    )
    max_previews_per_author: int | None = Field(
        default=None, ge=1, description="Maximum number of running previews per author of pull requests."
    )
    sleep_for_queued: bool = Field(
        default=False,
        description="Whether the least recently used previews, idle for at least 10 minutes, sleep when "
        "others wait for a slot. Needs `GREENROOM_GATEWAY_METRICS`.",
    )
    usage_interval: Duration = Field(
        default=timedelta(minutes=5),
        description="Interval at which requests to previews are counted, and idle previews stopped.",
    )
    waker_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Second port of the bot, for requests to previews without a route: they wake a preview "
        "that is asleep. The gateway routes `*.BASE_DOMAIN` there; see sleep.md.",
    )
    max_deletions_per_sweep: int = Field(
        10,
        ge=1,
        description="A sweep that would delete more environments than this deletes none and logs an error.",
    )
    log_level: LogLevel = Field(
        default=LogLevel.INFO, description="Log level: `debug`, `info`, `warning` or `error`."
    )
    kubeconfig: str | None = Field(
        default=None,
        validation_alias="KUBECONFIG",
        description="Path of the kubeconfig. Default: the service account of the Pod.",
    )

    clusters: File | None = Field(
        default=None,
        description="YAML file of the clusters, if there are several; docs/clusters.md describes it. "
        "Default: one cluster with the name `default`.",
    )

    @field_validator("sleep_for_queued")
    @classmethod
    def _requests_are_counted(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("gateway_metrics") is None:
            raise ValueError("requests are counted only with `GREENROOM_GATEWAY_METRICS`; set it too")
        return value

    @property
    def has_one_process(self) -> bool:
        """Whether no replica shares the store."""
        return self.database_url.get_secret_value().startswith("sqlite")

    @property
    def host_grants(self) -> HostGrants:
        domains = filter(None, (self.base_domain, self.fork_base_domain))
        own_host = urlsplit(self.public_url).hostname or ""
        return HostGrants(self.hosts, tuple(domain.host for domain in domains), own_host)

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The secrets with which deliveries may be signed, the current one first."""
        secrets = (self.webhook_secret, self.webhook_secret_previous)
        return tuple(secret.get_secret_value() for secret in secrets if secret is not None)

    @property
    def digest_key(self) -> bytes:
        """Key of the digests of injected secrets: shared by all replicas, and secret."""
        key = self.github_private_key.get_secret_value().encode()
        return hmac.new(key, b"digests of injected secrets", hashlib.sha256).digest()

    @property
    def hidden_values(self) -> tuple[str, ...]:
        """Secret values, which are redacted from logs."""
        password = urlsplit(self.database_url.get_secret_value()).password
        client = self.github_client_secret.get_secret_value() if self.github_client_secret else None
        values = (*self.webhook_secrets, self.github_private_key.get_secret_value(), client, password)
        return tuple(value for value in values if value)


# Manifests and .env files often contain variables without a value; they count as not set.
_FROM_ENVIRONMENT = SettingsConfigDict(
    env_prefix=PREFIX, env_ignore_empty=True, enable_decoding=False, extra="ignore"
)


class _FromEnvironment(Settings, BaseSettings):
    model_config = _FROM_ENVIRONMENT


class _ManifestsFromEnvironment(ManifestSettings, BaseSettings):
    model_config = _FROM_ENVIRONMENT

    base_domain: BaseDomain = Domain("https", "preview.example.com", None)
    gateway: NamespacedName = "gateways/public"


def read_settings() -> Settings:
    """The settings from the environment; SettingsError names every missing and invalid one."""
    problems: list[str] = []
    try:
        Proxies.from_environment()
    except InvalidProxy as error:
        problems = [str(error)]
    try:
        settings = _FromEnvironment.model_validate({})
    except ValidationError as error:
        problems = [*_problems(error), *problems]
    if problems:
        raise SettingsError(problems)
    return settings


def read_manifest_settings() -> ManifestSettings:
    """The settings for rendering, with placeholders for the required ones that are not set."""
    try:
        return _ManifestsFromEnvironment.model_validate({})
    except ValidationError as error:
        raise SettingsError(_problems(error)) from None


def value_problem(field: str, text: str) -> str | None:
    """Why a text is not a value of this setting; None when it is one."""
    info = Settings.model_fields[field]
    fields: Any = {field: (info.annotation, info)}
    try:
        create_model("Value", **fields).model_validate({variable(field): text, field: text})
    except ValidationError as error:
        return _problems(error)[0]
    return None


def variable(field: str) -> str:
    """The environment variable of a field of Settings."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()


def _problems(error: ValidationError) -> list[str]:
    return [_problem(details) for details in error.errors(include_input=False)]


def _problem(details: Any) -> str:
    field = str(details["loc"][0])
    description = Settings.model_fields[field].description
    if details["type"] == "missing":
        return f"{variable(field)} is not set. {description}"
    message = details["msg"].removeprefix("Value error, ")
    return f"{variable(field)} is invalid: {message[:1].lower()}{message[1:]}. {description}"

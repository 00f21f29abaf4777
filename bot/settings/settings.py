"""What the operator decides: read once from the environment, never changed afterwards."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.model.hosts import HostGrants
from bot.model.size import Size
from bot.settings.values import (
    Address,
    BaseDomain,
    DatabaseUrl,
    Duration,
    File,
    HostNames,
    Hosts,
    NamespacedName,
    Namespaces,
    PrivateKey,
    Secret,
    SizeText,
    Url,
)

PREFIX = "GREENROOM_"


class SettingsError(Exception):
    """Settings are missing or wrong: one sentence for each in `problems`, none with a secret's value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class PodSecurity(StrEnum):
    RESTRICTED = "restricted"
    BASELINE = "baseline"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Settings(BaseModel):
    """Made from keyword arguments alone; `read_settings` is what reads the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=True)

    github_api_url: Url = Field(
        default="https://api.github.com",
        description="GitHub's REST API; `https://HOST/api/v3` for GitHub Enterprise Server.",
    )
    github_app_id: int = Field(gt=0, description="The App's id: a number on the App's page on GitHub.")
    github_private_key: PrivateKey = Field(
        description="The App's private key: the PEM text, or the path of the file that GitHub gave.",
    )
    github_ca_file: File | None = Field(
        default=None,
        description="PEM file of the authority that signed GitHub's certificate, unless it is a public one.",
    )
    github_client_id: str | None = Field(
        default=None,
        description="The App's client id, with which people sign in to the pages of the environments.",
    )
    github_client_secret: Secret | None = Field(
        default=None,
        description="A client secret of the App, for the same. Changing it signs everybody out.",
    )
    webhook_secret: Secret = Field(
        description="The App's webhook secret. Deliveries signed otherwise are refused."
    )
    webhook_secret_previous: Secret | None = Field(
        default=None,
        description="The webhook secret before it was changed: still accepted while this is set.",
    )
    public_url: Url = Field(
        description="Where GitHub and people reach the bot: `https://greenroom.example.com`."
    )
    database_url: DatabaseUrl = Field(
        default=SecretStr("sqlite:///greenroom.db"),
        description="Where everything is kept: `sqlite:///PATH`, with a fourth slash for an absolute path, "
        "or `postgresql://USER:PASSWORD@HOST/NAME`, which more than one replica needs.",
    )
    base_domain: BaseDomain = Field(
        description="The domain whose names all lead to the gateway: `preview.example.com`. "
        "Links begin with `https://` unless it says otherwise: `http://preview.localhost:8080`.",
    )
    fork_base_domain: BaseDomain | None = Field(
        default=None,
        description="Another such domain for the previews of forks, so that what strangers wrote shares "
        "neither cookies nor origin with the others. Without it they are under the same.",
    )
    hosts: HostNames = Field(
        default={},
        description="Hosts that stages may have instead of a name of the domain, and whose: "
        "`acme/shop=shop.example.com,*.shop.example.com,acme/web=www.example.com`. `*.` is one label. "
        "DNS and certificate are yours.",
    )
    gateway: NamespacedName = Field(
        description="The Gateway that carries the routes of the environments: `NAMESPACE/NAME`."
    )
    gateway_address: Address | None = Field(
        default=None,
        description="`HOST:PORT` where the bot itself reaches the gateway, "
        "for when the domain's names lead nowhere from where the bot runs.",
    )
    gateway_ca_file: File | None = Field(
        default=None,
        description="PEM file of the authority that signed the gateway's certificate, "
        "unless it is a public one.",
    )
    registry_credentials: File | None = Field(
        default=None,
        description="A `config.json` as `docker login` writes it, for registries that ask who is reading.",
    )
    private_registries: Hosts = Field(
        default=(),
        description="Registries on private addresses that images may come from: `HOST` or `HOST:PORT`, "
        "with commas between. Public addresses need not be named.",
    )
    render_hosts: Hosts = Field(
        default=(),
        description="Where Kustomize and Helm may fetch bases and charts from: `HOST` or `HOST:PORT`, "
        "with commas between. What those hosts serve is trusted as far as the guard lets it.",
    )
    pod_security: PodSecurity = Field(
        default=PodSecurity.RESTRICTED,
        description="The Pod Security level that environments are held to: `restricted` or `baseline`.",
    )
    default_size: SizeText = Field(
        default=Size(),
        description="What all containers of a preview together may ask for unless `.greenroom.yml` says so: "
        "such as `memory=2Gi,pods=10`. Never more than the largest.",
    )
    largest_size: SizeText = Field(
        default=Size(),
        description="The most that `.greenroom.yml` may ask for as `preview.size`.",
    )
    fork_size: SizeText = Field(
        default=Size(),
        description="The most that a preview of a fork gets, whatever `.greenroom.yml` says.",
    )
    secrets_namespaces: Namespaces = Field(
        default=(),
        description="Namespaces whose Secrets may be injected into environments, with commas between; "
        "each Secret says for which repositories.",
    )
    workers: int = Field(
        default=8, ge=1, le=256, description="How many environments one replica works on at once."
    )
    default_ttl: Duration = Field(
        default=timedelta(hours=72),
        description="How long a preview lives after its last push unless `.greenroom.yml` says so.",
    )
    longest_ttl: Duration = Field(
        default=timedelta(days=14),
        description="The longest life of a preview that `.greenroom.yml` may ask for, "
        "and how far ahead `/extend` may reach.",
    )
    resync_interval: Duration = Field(
        default=timedelta(minutes=10), description="How often all open pull requests are read again."
    )
    redelivery_interval: Duration = Field(
        default=timedelta(minutes=5),
        description="How often GitHub is asked for deliveries that never arrived.",
    )
    expiry_interval: Duration = Field(
        default=timedelta(minutes=1), description="How often previews whose time is over are looked for."
    )
    orphans_interval: Duration = Field(
        default=timedelta(minutes=15),
        description="How often namespaces that no pull request needs are looked for.",
    )
    max_previews: int | None = Field(
        default=None, ge=1, description="How many previews may stand at once; the others wait in a queue."
    )
    max_previews_per_repository: int | None = Field(
        default=None, ge=1, description="How many of them may be of one repository."
    )
    max_previews_per_author: int | None = Field(
        default=None, ge=1, description="How many of them may be of one person's pull requests."
    )
    max_deletions_per_sweep: int = Field(
        10,
        ge=1,
        description="A sweep that would delete more environments than this deletes none and says so.",
    )
    log_level: LogLevel = Field(
        default=LogLevel.INFO, description="How much is logged: `debug`, `info`, `warning` or `error`."
    )
    kubeconfig: str | None = Field(
        default=None,
        validation_alias="KUBECONFIG",
        description="File that says how to reach the cluster; without it, the Pod's own service account.",
    )

    @property
    def gateway_namespace(self) -> str:
        return self.gateway.partition("/")[0]

    @property
    def gateway_name(self) -> str:
        return self.gateway.partition("/")[2]

    @property
    def host_grants(self) -> HostGrants:
        domains = filter(None, (self.base_domain, self.fork_base_domain))
        pages = urlsplit(self.public_url).hostname or ""
        return HostGrants(self.hosts, tuple(domain.host for domain in domains), pages)

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The secrets that may have signed a delivery, the current one first."""
        both = (self.webhook_secret, self.webhook_secret_previous)
        return tuple(secret.get_secret_value() for secret in both if secret is not None)

    @property
    def digest_key(self) -> bytes:
        """The same for all replicas and known to nobody else, for digests that must not tell of what."""
        key = self.github_private_key.get_secret_value().encode()
        return hmac.new(key, b"digests of injected secrets", hashlib.sha256).digest()

    @property
    def hidden_values(self) -> tuple[str, ...]:
        """Everything that must never be shown or logged."""
        password = urlsplit(self.database_url.get_secret_value()).password
        client = self.github_client_secret.get_secret_value() if self.github_client_secret else None
        values = (*self.webhook_secrets, self.github_private_key.get_secret_value(), client, password)
        return tuple(value for value in values if value)


class _FromEnvironment(Settings, BaseSettings):
    # A variable that is set to nothing counts as not set: manifests and .env files often carry such.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, enable_decoding=False, extra="ignore"
    )


def read_settings() -> Settings:
    """The settings that this process was started with. SettingsError names everything that is wrong."""
    try:
        return _FromEnvironment.model_validate({})
    except ValidationError as error:
        raise SettingsError([_sentence(problem) for problem in error.errors(include_input=False)]) from None


def variable(field: str) -> str:
    """The environment variable behind a field of Settings."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()


def _sentence(problem: Any) -> str:
    field = str(problem["loc"][0])
    meaning = Settings.model_fields[field].description
    if problem["type"] == "missing":
        return f"{variable(field)} is not set. {meaning}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{variable(field)} is wrong: {message[:1].lower()}{message[1:]}. {meaning}"

"""The file of GREENROOM_SECRETS_MANAGERS: secret managers, and which repositories may read what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from bot.config.fields import matching
from bot.config.operator_files import OperatorModel, read_operator_file
from bot.model.repository import Repository
from bot.secrets.grants import granted

_SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def _repositories(value: str) -> str:
    for name in value.split(","):
        owner, slash, rest = name.strip().partition("/")
        if not (owner and slash and rest) or "*" in owner or ("*" in rest and rest != "*"):
            raise ValueError(f"{name.strip()!r} is not a repository: expected OWNER/NAME or OWNER/*")
    return value


def _prefix(value: str) -> str:
    if "*" in value.removesuffix("/*") or value.startswith("/"):
        raise ValueError(f"{value!r} is not a path: expected one such as kv/shop/mail or kv/shop/*")
    return value


Grants = Mapping[Annotated[str, AfterValidator(_prefix)], Annotated[str, AfterValidator(_repositories)]]


class KubernetesLogin(OperatorModel):
    role: str
    mount: str = "kubernetes"
    token_file: Path = _SERVICE_ACCOUNT_TOKEN


class AppRoleLogin(OperatorModel):
    role_id: str
    secret_id_file: Path
    mount: str = "approle"


class VaultLogin(OperatorModel):
    """Exactly one way to log in."""

    kubernetes: KubernetesLogin | None = None
    approle: AppRoleLogin | None = None
    token_file: Path | None = None

    @model_validator(mode="after")
    def _require_one_way(self) -> Self:
        if sum(way is not None for way in (self.kubernetes, self.approle, self.token_file)) != 1:
            raise ValueError("expected exactly one of `kubernetes`, `approle` and `token_file`")
        return self


class VaultSettings(OperatorModel):
    address: Annotated[
        str, matching(r"https?://[^/]+", "expected a URL such as https://vault.example.com:8200")
    ]
    namespace: str = ""
    ca_file: Path | None = None
    auth: VaultLogin
    dynamic_token_file: Path | None = None
    """A periodic token, which issues credentials. They end with it, so a login cannot replace it."""
    grants: Grants = {}

    @property
    def issuing(self) -> VaultSettings | None:
        """The same server with the token that issues credentials."""
        if self.dynamic_token_file is None:
            return None
        return self.model_copy(update={"auth": VaultLogin(token_file=self.dynamic_token_file)})


class AwsSettings(OperatorModel):
    region: str
    endpoint_url: str | None = None
    secrets: Grants = {}
    """Grants for Secrets Manager."""
    parameters: Grants = {}
    """Grants for Parameter Store."""


class SecretProviders(OperatorModel):
    version: Literal[1] = 1
    vault: VaultSettings | None = None
    aws: AwsSettings | None = None


def read_providers(path: str | None) -> SecretProviders:
    """The providers of the file; none without a file. Raises SettingsError with one line per problem."""
    if path is None:
        return SecretProviders()
    return read_operator_file("secrets_managers", path, SecretProviders).content


def may_read(grants: Grants, path: str, repository: Repository) -> bool:
    """Whether a path is granted to the repository: as a whole path, or by a prefix such as `kv/shop/*`."""
    return any(
        granted(repositories, repository)
        for prefix, repositories in grants.items()
        if path == prefix or (prefix.endswith("/*") and path.startswith(prefix[:-1]))
    )

"""The file of GREENROOM_SECRETS_MANAGERS: secret managers, and which repositories may read what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bot.model.errors import GreenroomError
from bot.model.repository import Repository
from bot.secrets.grants import granted

_SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def _repositories(value: str) -> str:
    for name in value.split(","):
        owner, slash, rest = name.strip().partition("/")
        if not (owner and slash and rest) or "*" in owner or ("*" in rest and rest != "*"):
            raise ValueError(f"{name.strip()!r} is not a repository such as acme/shop or acme/*")
    return value


def _prefix(value: str) -> str:
    if "*" in value.removesuffix("/*") or value.startswith("/"):
        raise ValueError(f"{value!r} is not a path such as kv/shop/mail or kv/shop/*")
    return value


Grants = Mapping[Annotated[str, AfterValidator(_prefix)], Annotated[str, AfterValidator(_repositories)]]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class KubernetesLogin(_Strict):
    role: str
    mount: str = "kubernetes"
    token_file: Path = _SERVICE_ACCOUNT_TOKEN


class AppRoleLogin(_Strict):
    role_id: str
    secret_id_file: Path
    mount: str = "approle"


class VaultLogin(_Strict):
    """Exactly one way to log in."""

    kubernetes: KubernetesLogin | None = None
    approle: AppRoleLogin | None = None
    token_file: Path | None = None

    @model_validator(mode="after")
    def _require_one_way(self) -> Self:
        if sum(way is not None for way in (self.kubernetes, self.approle, self.token_file)) != 1:
            raise ValueError("needs exactly one of kubernetes, approle and token_file")
        return self


class VaultSettings(_Strict):
    address: Annotated[str, Field(pattern=r"^https?://[^/]+$")]
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


class AwsSettings(_Strict):
    region: str
    endpoint_url: str | None = None
    secrets: Grants = {}
    """Of Secrets Manager."""
    parameters: Grants = {}
    """Of Parameter Store."""


class SecretProviders(_Strict):
    version: Literal[1] = 1
    vault: VaultSettings | None = None
    aws: AwsSettings | None = None


def read_providers(file: str | Path | None) -> SecretProviders:
    """The providers of the file; none without a file. Raises GreenroomError that names each mistake."""
    if file is None:
        return SecretProviders()
    path = Path(file)
    try:
        content = yaml.safe_load(path.read_text())
        return SecretProviders.model_validate(content if content is not None else {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise GreenroomError(f"GREENROOM_SECRETS_MANAGERS: {path} cannot be read: {error}") from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'the file'}: {_plain(item['msg'])}"
            for item in error.errors(include_url=False, include_input=False)
        )
        raise GreenroomError(f"GREENROOM_SECRETS_MANAGERS: {path} is invalid: {problems}") from None


def _plain(message: str) -> str:
    return {
        "Field required": "is missing",
        "Extra inputs are not permitted": "is unknown",
    }.get(message, message.removeprefix("Value error, "))


def may_read(grants: Grants, path: str, repository: Repository) -> bool:
    """Whether a path is granted to the repository: as a whole path, or by a prefix such as `kv/shop/*`."""
    return any(
        granted(repositories, repository)
        for prefix, repositories in grants.items()
        if path == prefix or (prefix.endswith("/*") and path.startswith(prefix[:-1]))
    )

"""How the text of an environment variable becomes a value: the types of the settings' fields.

The message of a ValueError follows "GREENROOM_X is wrong:", so it says what the value has to be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BeforeValidator, Field, SecretStr

from bot.model.durations import parse_duration
from bot.model.size import Size

_HOST = re.compile(r"(?=.{1,190}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_OBJECT = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_REPOSITORY = re.compile(r"[a-z0-9_.-]+/[a-z0-9_.-]+")
_SIZES = {"cpu", "memory", "storage", "pods"}


@dataclass(frozen=True, slots=True)
class Domain:
    """The wildcard domain of the environments, and how a browser reaches its names."""

    scheme: str
    host: str
    port: int | None
    """None for the scheme's own port."""

    @property
    def suffix(self) -> str:
        """What follows the host in a link: `:8080`, or nothing."""
        return "" if self.port is None else f":{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{self.suffix}"


def _domain(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip().rstrip("/").lower()
    parts = urlsplit(text if "://" in text else f"https://{text}")
    host = (parts.hostname or "").removeprefix("*.")
    if parts.scheme not in ("http", "https") or parts.path or parts.query or not _HOST.fullmatch(host):
        raise ValueError("it has to be a domain, with http:// before and a port behind it where needed")
    return Domain(parts.scheme, host, parts.port)


def _url(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip().rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise ValueError("it has to be a URL that begins with https://, without user, password or query")
    return text


def _address(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^\s:/]+):[0-9]{1,5}", value.strip()):
        raise ValueError("it has to be HOST:PORT")
    return value.strip() if isinstance(value, str) else value


def _size(value: object) -> object:
    """`cpu=4,memory=8Gi,storage=20Gi,pods=40`; what is not named is as in the default."""
    if not isinstance(value, str):
        return value
    parts = [part.partition("=") for part in value.replace(" ", "").split(",") if part]
    if not all(equals for _, equals, _ in parts) or not {name for name, _, _ in parts} <= _SIZES:
        raise ValueError("it has to be such as cpu=4,memory=8Gi,storage=20Gi,pods=40")
    return Size(**{name: quantity for name, _, quantity in parts})


def _object(value: object) -> object:
    if isinstance(value, str) and not _OBJECT.fullmatch(value.strip()):
        raise ValueError("it has to be NAMESPACE/NAME")
    return value.strip() if isinstance(value, str) else value


def _hosts(value: object) -> object:
    if not isinstance(value, str):
        return value
    hosts = tuple(host.strip().lower() for host in value.split(",") if host.strip())
    if not all(re.fullmatch(r"[^\s:/]+(:[0-9]{1,5})?", host) for host in hosts):
        raise ValueError("it has to be HOST or HOST:PORT, with commas between")
    return hosts


def _host_grants(value: object) -> object:
    """`acme/shop=shop.example.com,*.shop.example.com,acme/web=…`, by repository."""
    if not isinstance(value, str):
        return value
    found: dict[str, tuple[str, ...]] = {}
    repository = ""
    for part in (part for part in value.lower().replace(" ", "").split(",") if part):
        named, equals, host = part.rpartition("=")
        repository = named if equals else repository
        if not _REPOSITORY.fullmatch(repository) or not _is_host(host.removeprefix("*.")):
            raise ValueError("it has to be such as acme/shop=shop.example.com,*.shop.example.com")
        if any(host in hosts for hosts in found.values()):
            raise ValueError(f"{host} stands there twice, and a host can be one repository's only")
        found[repository] = (*found.get(repository, ()), host)
    return found


def _is_host(text: str) -> bool:
    return "." in text and _HOST.fullmatch(text) is not None


def _namespaces(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if not all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) for name in names):
        raise ValueError("it has to be names of namespaces, with commas between")
    return names


def _secret(value: object) -> object:
    """Files and Kubernetes Secrets often end with a newline that is no part of the secret."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise ValueError("it is empty")
    return value.strip()


def _file(value: object) -> object:
    """A path whose file can be read: better told at the start than when it is needed."""
    if isinstance(value, str):
        try:
            Path(value).expanduser().read_bytes()
        except OSError as error:
            raise ValueError(f"the file cannot be read ({error.strerror})") from None
        return str(Path(value).expanduser())
    return value


def _private_key(value: object) -> object:
    if not isinstance(value, str):
        return value
    # An environment file holds one line per variable, so a key in it has its line ends spelled out.
    text = value.replace("\\n", "\n").strip()
    if not text.startswith("-----BEGIN"):
        try:
            text = Path(text).expanduser().read_text("ascii").strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            raise ValueError(f"it is no PEM text, and as a path it cannot be read ({reason})") from None
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(
            "it is no private key in PEM form; download a new one from the App's page"
        ) from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("it is not an RSA key, and GitHub Apps sign with RSA only")
    return text


def _database_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.partition("://")[0].partition("+")[0] not in ("sqlite", "postgresql"):
        raise ValueError("it has to begin with sqlite:// or postgresql://")
    return value.strip()


Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(gt=timedelta())]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
Url = Annotated[str, BeforeValidator(_url)]
File = Annotated[str, BeforeValidator(_file)]
DatabaseUrl = Annotated[SecretStr, BeforeValidator(_database_url)]
PrivateKey = Annotated[SecretStr, BeforeValidator(_private_key)]
BaseDomain = Annotated[Domain, BeforeValidator(_domain)]
NamespacedName = Annotated[str, BeforeValidator(_object)]
Address = Annotated[str, BeforeValidator(_address)]
Hosts = Annotated[tuple[str, ...], BeforeValidator(_hosts)]
HostNames = Annotated[Mapping[str, tuple[str, ...]], BeforeValidator(_host_grants)]
Namespaces = Annotated[tuple[str, ...], BeforeValidator(_namespaces)]
SizeText = Annotated[Size, BeforeValidator(_size)]

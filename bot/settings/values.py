"""Types of the settings: how the text of an environment variable becomes a value.

Messages of ValueErrors follow "GREENROOM_X is invalid:".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BeforeValidator, Field, SecretStr

from bot.model.addresses import parse_network
from bot.model.durations import parse_duration
from bot.model.image_reference import parse_reference
from bot.model.size import Size
from bot.settings.grants import REPOSITORIES, entries, repository_grants
from bot.settings.kinds import CustomKind, custom_kinds
from bot.settings.networks import GatewaySource, egress_networks, gateway_sources

_HOST = re.compile(r"(?=.{1,190}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DRIFT_RULE = re.compile(r"(?:[A-Za-z]+|\*)(?:/[a-z0-9*][a-z0-9.:*-]*|:[A-Za-z*][^\s,]*)")
_NAMESPACED_NAME = re.compile(rf"{_NAMESPACE.pattern}/[a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?")
_REPOSITORY = re.compile(r"[a-z0-9_.-]+/[a-z0-9_.-]+")
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[^\s:/]+):[0-9]{1,5}")
_HOST_AND_PORT = re.compile(r"[^\s:/]+(:[0-9]{1,5})?")
_KEY = re.compile(r"([a-z0-9][a-z0-9.-]*/)?[A-Za-z0-9][A-Za-z0-9_.-]*|[a-z0-9][a-z0-9.-]*/")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_RESOURCE = re.compile(r"[a-z0-9][a-z0-9.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*|hugepages-[A-Za-z0-9]+")
_FIELD = re.compile(r"[A-Z][A-Za-z0-9]*\.[a-z][A-Za-z0-9]*")
RUNTIME_WAYS = ("vault-agent", "csi")
"""How applications can read secrets themselves, besides by a token with an audience."""
AUDIENCE = "audience:"
_SIZES = {"cpu", "memory", "storage", "pods"}


@dataclass(frozen=True, slots=True)
class Domain:
    """The wildcard domain of environments, and the scheme and port of their links."""

    scheme: str
    host: str
    port: int | None
    """None for the default port of the scheme."""

    @property
    def suffix(self) -> str:
        """What follows the host in a link: `:8080`, or nothing."""
        return "" if self.port is None else f":{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{self.suffix}"


def _parsed_by(parse: Callable[[str], object]) -> BeforeValidator:
    """Parses text without surrounding whitespace; values of other types are kept."""
    return BeforeValidator(lambda value: parse(value.strip()) if isinstance(value, str) else value)


def _domain(text: str) -> Domain:
    text = text.rstrip("/").lower()
    parts = urlsplit(text if "://" in text else f"https://{text}")
    host = (parts.hostname or "").removeprefix("*.")
    if parts.scheme not in ("http", "https") or parts.path or parts.query or not _HOST.fullmatch(host):
        raise ValueError("expected a domain, optionally with scheme and port")
    return Domain(parts.scheme, host, parts.port)


def _url(text: str) -> str:
    text = text.rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise ValueError("expected a URL that starts with https://, without user, password and query")
    return text


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("expected HOST:PORT")
    return text


def _size(text: str) -> Size:
    """`cpu=4,memory=8Gi,storage=20Gi,pods=40`; missing parts have their defaults."""
    parts = [part.partition("=") for part in entries(text)]
    if not all(equals for _, equals, _ in parts) or not {name for name, _, _ in parts} <= _SIZES:
        raise ValueError("expected quantities such as cpu=4,memory=8Gi,storage=20Gi,pods=40")
    return Size(**{name: quantity for name, _, quantity in parts})


def _namespaced_name(text: str) -> str:
    if not _NAMESPACED_NAME.fullmatch(text):
        raise ValueError("expected NAMESPACE/NAME")
    return text


def _hosts(text: str) -> tuple[str, ...]:
    hosts = entries(text.lower())
    if not all(map(_HOST_AND_PORT.fullmatch, hosts)):
        raise ValueError("expected HOST or HOST:PORT, separated by commas")
    return hosts


def _host_grants(text: str) -> Mapping[str, tuple[str, ...]]:
    """`acme/shop=shop.example.com,*.shop.example.com,acme/web=…` to hosts by repository."""
    grants: dict[str, tuple[str, ...]] = {}
    repository = ""
    for entry in entries(text.lower()):
        name, equals, host = entry.rpartition("=")
        repository = name if equals else repository
        suffix = host.removeprefix("*.")
        if not _REPOSITORY.fullmatch(repository) or "." not in suffix or not _HOST.fullmatch(suffix):
            raise ValueError("expected grants such as acme/shop=shop.example.com,*.shop.example.com")
        if any(host in hosts for hosts in grants.values()):
            raise ValueError(f"{host} appears twice; a host can belong to one repository only")
        grants[repository] = (*grants.get(repository, ()), host)
    return grants


def _namespaces(text: str) -> tuple[str, ...]:
    names = entries(text)
    if not all(map(_NAMESPACE.fullmatch, names)):
        raise ValueError("expected names of namespaces, separated by commas")
    return names


def _keys(text: str) -> tuple[str, ...]:
    keys = entries(text)
    if not all(map(_KEY.fullmatch, keys)):
        raise ValueError("expected keys and prefixes such as example.com/team,prometheus.io/")
    return keys


def _names(text: str) -> tuple[str, ...]:
    names = entries(text)
    if not all(map(_NAME.fullmatch, names)):
        raise ValueError("expected names, separated by commas")
    return names


def _pull_secrets(text: str) -> Mapping[str, tuple[str, ...]]:
    """`acme/*=registries/ghcr,acme/shop=registries/quay` to Secrets by repository."""
    expected = "expected Secrets of repositories such as acme/*=NAMESPACE/NAME"
    return repository_grants(text, _namespaced_name, expected)


def _image(text: str) -> str:
    try:
        parse_reference(text)
    except ValueError as error:
        raise ValueError(f"expected an image such as registry.example.com/tofu:1.12; {error}") from None
    return text


def _repositories(text: str) -> tuple[str, ...]:
    """Repositories as `OWNER/NAME` or `OWNER/*`, in lower case."""
    names = entries(text.lower())
    if not all(map(REPOSITORIES.fullmatch, names)):
        raise ValueError("expected OWNER/NAME or OWNER/*, separated by commas")
    return names


def _secret_stores(text: str) -> Mapping[str, tuple[str, ...]]:
    """`acme/*=vault-preview,acme/shop=aws` to ClusterSecretStores by repository."""
    expected = "expected ClusterSecretStores by repository, such as acme/*=vault-preview"
    return repository_grants(text, _name, expected)


def _runtime_secrets(text: str) -> Mapping[str, tuple[str, ...]]:
    """`acme/*=vault-agent,acme/shop=csi,audience:vault` to mechanisms by repository."""
    expected = "expected mechanisms by repository, such as acme/*=vault-agent,acme/shop=csi,audience:vault"

    def way(value: str) -> str:
        if value not in RUNTIME_WAYS and not (value.startswith(AUDIENCE) and value != AUDIENCE):
            raise ValueError(f"{expected}; {value!r} is unknown")
        return value

    return repository_grants(text, way, expected)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("expected the name of an object")
    return text


def _drift_rules(text: str) -> tuple[str, ...]:
    rules = entries(text)
    if not all(map(_DRIFT_RULE.fullmatch, rules)):
        raise ValueError("expected KIND/NAME or KIND:PATH, such as ConfigMap/injected-* or *:metadata.labels")
    return rules


def _networks(text: str) -> tuple[str, ...]:
    networks = entries(text)
    try:
        return tuple(str(parse_network(network)) for network in networks)
    except ValueError:
        raise ValueError("expected networks such as 10.20.0.0/16, separated by commas") from None


def _resources(text: str) -> Mapping[str, str]:
    parts = [part.partition("=") for part in entries(text)]
    if not all(_RESOURCE.fullmatch(name) and quantity.isdecimal() for name, _, quantity in parts):
        raise ValueError("expected quotas such as nvidia.com/gpu=2, separated by commas")
    return {name: quantity for name, _, quantity in parts}


def _allowed_fields(text: str) -> Mapping[str, frozenset[str]]:
    """`PodSpec.nodeSelector,PodSpec.priorityClassName=low` to values by field; no value allows any."""
    allowed: dict[str, frozenset[str]] = {}
    for entry in entries(text):
        name, equals, value = entry.partition("=")
        if not _FIELD.fullmatch(name) or (equals and not value):
            raise ValueError("expected fields such as PodSpec.nodeSelector,PodSpec.priorityClassName=preview")
        if name in allowed and not (equals and allowed[name]):
            raise ValueError(f"{name} appears twice, with a value and without")
        allowed[name] = allowed.get(name, frozenset()) | ({value} if equals else set())
    return allowed


def _secret(text: str) -> str:
    if not text:
        raise ValueError("it is empty")
    return text


def _file(text: str) -> str:
    """The path of a readable file. Reading it here reports a wrong path at start-up."""
    path = Path(text).expanduser()
    try:
        path.read_bytes()
    except OSError as error:
        raise ValueError(f"the file cannot be read ({error.strerror})") from None
    return str(path)


def _private_key(text: str) -> str:
    # Environment files have one line per variable, so line ends in a key are written as `\n`.
    pem = text.replace("\\n", "\n").strip()
    if not pem.startswith("-----BEGIN"):
        try:
            pem = Path(pem).expanduser().read_text("ascii").strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            raise ValueError(f"neither PEM text nor a readable file ({reason})") from None
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError("not a private key in PEM format; generate a new one on the App's page") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA key; GitHub Apps sign with RSA keys only")
    return pem


def _database_url(text: str) -> str:
    if text.partition("://")[0].partition("+")[0] not in ("sqlite", "postgresql"):
        raise ValueError("expected a URL that starts with sqlite:// or postgresql://")
    return text


Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(gt=timedelta())]
Secret = Annotated[SecretStr, _parsed_by(_secret)]
Url = Annotated[str, _parsed_by(_url)]
File = Annotated[str, _parsed_by(_file)]
DatabaseUrl = Annotated[SecretStr, _parsed_by(_database_url)]
PrivateKey = Annotated[SecretStr, _parsed_by(_private_key)]
BaseDomain = Annotated[Domain, _parsed_by(_domain)]
NamespacedName = Annotated[str, _parsed_by(_namespaced_name)]
Address = Annotated[str, _parsed_by(_address)]
Hosts = Annotated[tuple[str, ...], _parsed_by(_hosts)]
HostNames = Annotated[Mapping[str, tuple[str, ...]], _parsed_by(_host_grants)]
Namespaces = Annotated[tuple[str, ...], _parsed_by(_namespaces)]
SizeText = Annotated[Size, _parsed_by(_size)]
Keys = Annotated[tuple[str, ...], _parsed_by(_keys)]
Names = Annotated[tuple[str, ...], _parsed_by(_names)]
DriftRules = Annotated[tuple[str, ...], _parsed_by(_drift_rules)]
Networks = Annotated[tuple[str, ...], _parsed_by(_networks)]
GatewaySources = Annotated[tuple[GatewaySource, ...], _parsed_by(gateway_sources)]
EgressNetworks = Annotated[Mapping[str, tuple[str, ...]], _parsed_by(egress_networks)]
ImageName = Annotated[str, _parsed_by(_image)]
Repositories = Annotated[tuple[str, ...], _parsed_by(_repositories)]
SecretStores = Annotated[Mapping[str, tuple[str, ...]], _parsed_by(_secret_stores)]
RuntimeSecrets = Annotated[Mapping[str, tuple[str, ...]], _parsed_by(_runtime_secrets)]
PullSecrets = Annotated[Mapping[str, tuple[str, ...]], _parsed_by(_pull_secrets)]
CustomKinds = Annotated[tuple[CustomKind, ...], _parsed_by(custom_kinds)]
Resources = Annotated[Mapping[str, str], _parsed_by(_resources)]
AllowedFields = Annotated[Mapping[str, frozenset[str]], _parsed_by(_allowed_fields)]

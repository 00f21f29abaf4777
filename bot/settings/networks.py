"""Settings about who may reach environments, and what environments may reach."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.model.addresses import parse_network
from bot.settings.grants import entries, repository_grants

_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


@dataclass(frozen=True, slots=True)
class GatewaySource:
    """Pods of a namespace, or a network, from which the gateway's requests come."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the pods; empty for all pods of the namespace."""
    network: str = ""
    """For a gateway outside of the pod network; empty otherwise."""


def gateway_sources(text: str) -> tuple[GatewaySource, ...]:
    """Parses `traefik, envoy-system/app=envoy+tier=edge, 10.0.0.0/16`."""
    return tuple(map(_source, entries(text)))


def egress_networks(text: str) -> Mapping[str, tuple[str, ...]]:
    """Parses `acme/shop=10.20.0.0/16,10.30.0.5/32,acme/*=…` to networks by repository, in lower case."""
    expected = "expected networks of repositories such as acme/shop=10.20.0.0/16"
    return repository_grants(text, _network, expected)


def _source(entry: str) -> GatewaySource:
    namespace, _, selector = entry.partition("/")
    if _NAMESPACE.fullmatch(namespace) and not (selector.isdecimal() and namespace.isdecimal()):
        pairs = [label.partition("=") for label in selector.split("+")] if selector else []
        if all(equals and _KEY.fullmatch(key) and _VALUE.fullmatch(value) for key, equals, value in pairs):
            return GatewaySource(namespace, {key: value for key, _, value in pairs})
    return GatewaySource(network=_network(entry))


def _network(text: str) -> str:
    try:
        return str(parse_network(text))
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a network such as 10.20.0.0/16 nor a namespace with labels of pods such as "
            "traefik/app.kubernetes.io/name=traefik"
        ) from None

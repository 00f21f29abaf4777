"""Where the gateway's requests come from, and which private networks are open."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from bot.settings.networks import egress_networks, gateway_sources
from bot.settings.values import PullSecrets


@pytest.mark.parametrize(
    "text", ["Traefik", "traefik/app", "traefik/=x", "traefik/app=a b", "10.0.0.0/33", "10/8", "a_b", "-"]
)
def test_gateway_pods_that_cannot_be_selected_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a network"):
        gateway_sources(text)


@pytest.mark.parametrize("text", ["10.0.0.0/16", "shop=10.0.0.0/16", "*/*=10.0.0.0/16", "acme/shop=x"])
def test_networks_without_repository_or_address_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        egress_networks(text)


def test_ipv6_network_is_a_gateway_source() -> None:
    [source] = gateway_sources("fd00::/8")
    assert (source.network, source.namespace) == ("fd00::/8", "")


def test_pull_secrets_belong_to_the_repository_before_them() -> None:
    grants = TypeAdapter(PullSecrets).validate_python("Acme/*=registries/ghcr, registries/quay,acme/web=a/b")
    assert grants == {"acme/*": ("registries/ghcr", "registries/quay"), "acme/web": ("a/b",)}


@pytest.mark.parametrize("text", ["registries/ghcr", "acme=registries/ghcr", "acme/shop=x", "acme/shop=A/b"])
def test_pull_secrets_without_repository_or_namespace_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        TypeAdapter(PullSecrets).validate_python(text)

"""The file of metrics providers, and which of them a repository may choose."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import yaml

from bot.metrics.gateway import GatewayMetrics
from bot.metrics.provider_file import read_providers
from bot.metrics.providers import MetricsProviders, open_providers
from bot.model.repository import Repository
from bot.settings import SettingsError

_SHOP = Repository(1, 2, "Acme", "Shop")
_OTHER = Repository(3, 4, "other", "web")
_ONE: Mapping[str, object] = {
    "url": "https://prometheus.example.com",
    "preset": "traefik",
    "repositories": ["acme/*"],
}


def _file(folder: Path, **providers: object) -> str:
    path = folder / "metrics.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "providers": providers}))
    return str(path)


async def _providers(
    folder: Path, stack: AsyncExitStack, gateways: Mapping[str, str], **providers: object
) -> MetricsProviders:
    return await open_providers(gateways, read_providers(_file(folder, **providers)), {}, stack)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({**_ONE, "preset": "nginx"}, "line 3, providers.main.preset"),
        ({**_ONE, "adress": "x"}, "adress"),
        ({**_ONE, "url": "prometheus:9090"}, "https://"),
        ({"url": "https://a.example", "repositories": ["acme/*"]}, "exactly one of `preset` and `queries`"),
        ({**_ONE, "bearer_token": "abc"}, "expected a reference"),
        (
            {**_ONE, "bearer_token": "env:A", "basic_auth": {"username": "a", "password": "env:B"}},
            "at most one of",
        ),
        ({**_ONE, "timeout": "10m"}, "timeout"),
        ({"url": "https://a.example", "preset": "traefik"}, "repositories"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, entry: object, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_providers(_file(tmp_path, main=entry))
    assert problem in str(caught.value)
    assert "GREENROOM_METRICS_PROVIDERS is invalid" in str(caught.value)


def test_a_credential_does_not_appear_in_errors(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_providers(_file(tmp_path, main={**_ONE, "bearer_token": "s3cret-token"}))
    assert "s3cret" not in str(caught.value)


def test_the_name_of_the_gateway_is_reserved(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="choose another name"):
        read_providers(_file(tmp_path, gateway=_ONE))


async def test_a_repository_chooses_only_among_those_that_it_was_granted(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        providers = await _providers(tmp_path, stack, {}, main=_ONE, eu={**_ONE, "clusters": ["eu"]})
        assert providers.names(_SHOP, "default") == ["main"]
        assert providers.names(_SHOP, "eu") == ["eu", "main"]
        assert providers.names(_OTHER, "default") == []
        assert providers.reader("main", _SHOP, "default") is not None
        assert providers.reader("main", _OTHER, "default") is None
        assert providers.reader("eu", _SHOP, "default") is None


async def test_without_a_name_the_gateway_or_the_only_provider_is_asked(tmp_path: Path) -> None:
    gateways = {"default": "http://traefik:9100/metrics"}
    async with AsyncExitStack() as stack:
        both = await _providers(tmp_path, stack, gateways, main=_ONE)
        assert isinstance(both.reader(None, _SHOP, "default"), GatewayMetrics)
        assert both.reader(None, _SHOP, "eu") is not None
        assert both.reader("gateway", _SHOP, "eu") is None
        two = await _providers(tmp_path, stack, {}, main=_ONE, second=_ONE)
        assert two.reader(None, _SHOP, "default") is None

"""Secret providers: each secret is read by granted repositories only."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from bot.model.errors import Rejected
from bot.model.repository import Repository
from bot.secrets.environment import EnvironmentSecrets
from bot.secrets.grants import granted
from bot.secrets.kubernetes import REPOSITORIES, KubernetesSecrets

SHOP = Repository(10, 20, "acme", "shop")
OTHER = Repository(11, 20, "acme", "other")
VALUE = "sk_test_4711"

ENVIRONMENT = EnvironmentSecrets(
    {
        "GREENROOM_SECRET_STRIPE_KEY": VALUE,
        "GREENROOM_SECRET_STRIPE_KEY_REPOSITORIES": "acme/shop",
        "GREENROOM_SECRET_FORGOTTEN": VALUE,
        "GREENROOM_SECRET_EMPTY": "",
        "GREENROOM_SECRET_EMPTY_REPOSITORIES": "acme/shop",
        "GREENROOM_WEBHOOK_SECRET": VALUE,
        "PATH": VALUE,
    }
)


@pytest.mark.parametrize(
    ("grant", "yes"),
    [
        ("acme/shop", True),
        ("ACME/Shop", True),
        (" acme/other ,acme/shop ", True),
        ("acme/*", True),
        ("acme/shop2", False),
        ("acme/shop-2, shop", False),
        ("*", False),
        ("*/shop", False),
        ("other/*", False),
        ("acme", False),
        ("", False),
        (" , ", False),
    ],
)
def test_granted_matches_repositories_and_owners(grant: str, yes: bool) -> None:
    assert granted(grant, SHOP) is yes


async def test_environment_secret_is_read_by_granted_repositories() -> None:
    assert (await ENVIRONMENT.read("STRIPE_KEY", SHOP)).text == VALUE


@pytest.mark.parametrize(
    ("path", "repository"),
    [
        ("STRIPE_KEY", OTHER),
        ("FORGOTTEN", SHOP),
        ("EMPTY", SHOP),
        ("MISSING", SHOP),
        ("STRIPE_KEY_REPOSITORIES", SHOP),
        ("GREENROOM_WEBHOOK_SECRET", SHOP),
        ("../WEBHOOK_SECRET", SHOP),
        ("PATH", SHOP),
        ("", SHOP),
    ],
)
async def test_environment_provider_reads_only_prefixed_variables(path: str, repository: Repository) -> None:
    with pytest.raises(Rejected) as caught:
        await ENVIRONMENT.read(path, repository)
    assert VALUE not in repr(caught.value)


def test_environment_provider_lists_values_for_redaction() -> None:
    assert list(ENVIRONMENT.values) == [VALUE, VALUE, ""]
    assert ENVIRONMENT.grants() == {"EMPTY": ["acme/shop"], "FORGOTTEN": [], "STRIPE_KEY": ["acme/shop"]}


class Secrets:
    """What lies in the cluster, and what was asked for."""

    def __init__(self, **data: bytes) -> None:
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        self.secret: Mapping[str, Any] = {
            "metadata": {"annotations": {REPOSITORIES: "acme/shop"}},
            "data": encoded,
        }
        self.asked: list[tuple[str, str]] = []

    async def read(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        self.asked.append((namespace, name))
        return self.secret if (namespace, name) == ("vault", "stripe") else None


async def test_kubernetes_secret_is_read_by_granted_repositories() -> None:
    provider = KubernetesSecrets(Secrets(key=VALUE.encode()).read, ["vault"])
    assert (await provider.read("vault/stripe#key", SHOP)).text == VALUE


@pytest.mark.parametrize(
    ("path", "repository", "message"),
    [
        ("vault/stripe#key", OTHER, "does not contain acme/other"),
        ("vault/stripe#other", SHOP, "the Secret vault/stripe does not exist or has no key other"),
        ("vault/absent#key", SHOP, "the Secret vault/absent does not exist"),
        ("vault/binary#key", SHOP, "the Secret .* does not exist"),
    ],
)
async def test_kubernetes_provider_rejects_missing_or_ungranted_secrets(
    path: str, repository: Repository, message: str
) -> None:
    provider = KubernetesSecrets(Secrets(key=VALUE.encode()).read, ["vault"])
    with pytest.raises(Rejected, match=message) as caught:
        await provider.read(path, repository)
    assert VALUE not in repr(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "greenroom/greenroom-secrets#GREENROOM_WEBHOOK_SECRET",
        "gr-other-3mv-pr-1/greenroom-secrets#KEY",
        "vault/stripe",
        "vault/stripe#",
        "vault#key",
        "vault/a,metadata.namespace=x#key",
        "vault/../default/stripe#key",
        "",
    ],
)
async def test_kubernetes_provider_reads_only_allowed_namespaces(path: str) -> None:
    cluster = Secrets(key=VALUE.encode())
    with pytest.raises(Rejected):
        await KubernetesSecrets(cluster.read, ["vault"]).read(path, SHOP)
    assert cluster.asked == []


async def test_secret_without_annotation_is_not_granted() -> None:
    cluster = Secrets(key=VALUE.encode())
    cluster.secret = {"metadata": {}, "data": cluster.secret["data"]}
    with pytest.raises(Rejected, match="does not contain acme/shop"):
        await KubernetesSecrets(cluster.read, ["vault"]).read("vault/stripe#key", SHOP)


async def test_binary_secret_is_rejected() -> None:
    provider = KubernetesSecrets(Secrets(key=b"\xff\xfe").read, ["vault"])
    with pytest.raises(Rejected, match="not UTF-8 text"):
        await provider.read("vault/stripe#key", SHOP)

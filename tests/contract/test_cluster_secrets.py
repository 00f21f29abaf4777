"""Injected secrets and Secrets of the operator."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from bot.cluster.client.kinds import NAMESPACE, SECRET
from bot.cluster.names import pull_secret_name
from bot.cluster.secret_objects import KubernetesSecretObjects
from bot.cluster.secrets import read_operator_secret
from bot.model.errors import Rejected, Superseded
from bot.model.secret import Lease
from bot.secrets.kubernetes import REPOSITORIES, KubernetesSecrets
from tests.contract.cluster_harness import Harness, bind, open_fence
from tests.unit.cluster.manifests import POLICY, deployment, render, service

VALUES = {"STRIPE_KEY": "sk_test_4711", "MAIL": "hünter\n22"}


async def inject(harness: Harness, **values: str) -> None:
    await harness.workloads.inject(harness.namespace, harness.key, harness.repository, values, open_fence)


async def injected(harness: Harness) -> dict[str, str] | None:
    secret = await harness.observer.find(SECRET, "greenroom-secrets", harness.namespace)
    data: dict[str, str] = (secret or {}).get("data") or {}
    return {name: base64.b64decode(value).decode() for name, value in data.items()} if secret else None


async def test_issued_credentials_are_kept_until_the_namespace_is_deleted(harness: Harness):
    await harness.prepare()
    now = datetime(2026, 3, 1, tzinfo=UTC)
    lease = Lease(
        "database/creds/shop/1", "database/creds/shop", now, now, timedelta(hours=1), {"username": "v-1"}
    )
    objects = KubernetesSecretObjects(harness.api)
    assert list(await objects.leases(harness.namespace)) == []
    await objects.keep_leases(harness.namespace, harness.key, harness.repository, [lease], open_fence)
    bundle = harness.render(deployment(), service())
    await harness.workloads.prune(harness.namespace, bundle, open_fence)
    await harness.workloads.withdraw(harness.namespace, harness.key, bundle, open_fence, fork=True)
    assert list(await objects.leases(harness.namespace)) == [lease]
    assert await objects.made(harness.namespace) == {}


async def test_fork_finds_no_secret_that_a_controller_made(harness: Harness):
    await harness.prepare()
    owner = {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "name": "stripe", "uid": "1"}
    for name, owners in (("stripe", [owner]), ("of-the-node", [])):
        metadata = {"name": name, "namespace": harness.namespace, "ownerReferences": owners}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "stringData": {"key": "sk_test"},
        }
        await harness.observer.create(SECRET, secret)
    bundle = harness.render(deployment(), service())

    async def left() -> set[str]:
        listed = await harness.observer.list(SECRET, harness.namespace)
        return {item["metadata"]["name"] for item in listed.items}

    await harness.workloads.withdraw(harness.namespace, harness.key, bundle, open_fence, fork=False)
    assert await left() == {"stripe", "of-the-node"}
    await harness.workloads.withdraw(harness.namespace, harness.key, bundle, open_fence, fork=True)
    assert await left() == {"of-the-node"}


async def test_injected_secret_is_updated_and_pruned(harness: Harness):
    await harness.prepare()
    await inject(harness, **VALUES)
    assert await injected(harness) == VALUES
    await inject(harness, STRIPE_KEY="another")
    assert await injected(harness) == {"STRIPE_KEY": "another"}

    needed = harness.render(deployment(), service(), secrets="digest")
    await harness.apply(needed)
    await harness.workloads.prune(harness.namespace, needed, open_fence)
    assert await injected(harness) == {"STRIPE_KEY": "another"}

    without = harness.render(deployment(), service())
    await harness.apply(without)
    await harness.workloads.prune(harness.namespace, without, open_fence)
    assert await injected(harness) is None


async def test_closed_fence_prevents_injection(harness: Harness):
    async def closed() -> None:
        raise Superseded("a newer head is known")

    await harness.prepare()
    with pytest.raises(Superseded):
        await harness.workloads.inject(harness.namespace, harness.key, harness.repository, VALUES, closed)
    assert await injected(harness) is None


async def test_operator_secret_is_read_by_granted_repository(harness: Harness):
    vault = f"{harness.namespace}-vault"
    await harness.observer.create(
        NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": vault}}
    )
    metadata = {"name": "stripe", "namespace": vault, "annotations": {REPOSITORIES: "acme/shop"}}
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    await harness.observer.create(SECRET, body | {"stringData": {"key": "sk_test_4711"}})
    metadata = {"name": "stripe-of-others", "namespace": vault}
    await harness.observer.create(
        SECRET, body | {"metadata": metadata, "stringData": {"key": "sk_test_others"}}
    )
    try:
        provider = KubernetesSecrets(partial(read_operator_secret, harness.api), [vault])
        with pytest.raises(Rejected, match="must bind the ClusterRole greenroom-secrets there"):
            await provider.read(f"{vault}/stripe#key", harness.repository)
        await bind(harness, vault, "greenroom-secrets")
        assert (await provider.read(f"{vault}/stripe#key", harness.repository)).text == "sk_test_4711"
        for path in (f"{vault}/stripe-of-others#key", f"{vault}/absent#key", "default/stripe#key"):
            with pytest.raises(Rejected):
                await provider.read(path, harness.repository)
    finally:
        await harness.observer.delete(NAMESPACE, vault)


REGISTRIES = {"auths": {"ghcr.io": {"auth": base64.b64encode(b"robot:hunter22").decode()}}}


async def test_pull_secret_is_copied_renewed_and_withdrawn(harness: Harness):
    """It reaches the environment's pods and default account, and leaves with the operator's grant."""
    vault = f"{harness.namespace}-registries"
    origin, policy = f"{vault}/ghcr", replace(POLICY, pull_secrets={"acme/*": (f"{vault}/ghcr",)})
    await harness.observer.create(
        NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": vault}}
    )

    async def copy() -> None:
        await harness.workloads.copy_pull_secrets(
            harness.namespace, harness.key, harness.repository, [origin], open_fence
        )

    async def copied() -> Any:
        name = pull_secret_name(origin)
        secret = await harness.observer.find(SECRET, name, harness.namespace)
        return secret and json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))

    try:
        await harness.prepare()
        with pytest.raises(Rejected, match="must bind the ClusterRole greenroom-secrets there"):
            await copy()
        await bind(harness, vault, "greenroom-secrets")
        with pytest.raises(Rejected, match="does not exist or is not of the type"):
            await copy()
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "ghcr", "namespace": vault},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": json.dumps(REGISTRIES)},
        }
        await harness.observer.create(SECRET, body)
        await copy()
        assert await copied() == REGISTRIES
        renewed: dict[str, Any] = {"auths": {}}
        await harness.observer.apply({**body, "stringData": {".dockerconfigjson": json.dumps(renewed)}})
        await copy()
        assert await copied() == renewed

        granted = render(harness.request(deployment(), service()), policy)
        await harness.workloads.prune(harness.namespace, granted, open_fence)
        assert await copied() == renewed
        withdrawn = harness.render(deployment(), service())
        await harness.workloads.prune(harness.namespace, withdrawn, open_fence)
        assert await copied() is None
    finally:
        await harness.observer.delete(NAMESPACE, vault)

"""Injected secrets, and those that the operator keeps, on the embedded and the real API server."""

from __future__ import annotations

import base64
from functools import partial
from typing import Any

import pytest

from bot.cluster.secrets import read_secret
from bot.embedded.client.resources import NAMESPACES, SECRETS
from bot.model.errors import Rejected, Superseded
from bot.secrets.kubernetes import REPOSITORIES, KubernetesSecrets
from tests.contract.cluster_harness import Desk, open_fence
from tests.unit.cluster.manifests import deployment, service

VALUES = {"STRIPE_KEY": "sk_test_4711", "MAIL": "hünter\n22"}


async def inject(desk: Desk, **values: str) -> None:
    await desk.workloads.inject(desk.namespace, desk.key, desk.repository, values, open_fence)


async def injected(desk: Desk) -> dict[str, str] | None:
    found = await desk.eyes.find(SECRETS, "greenroom-secrets", desk.namespace)
    data: dict[str, str] = (found or {}).get("data") or {}
    return {name: base64.b64decode(value).decode() for name, value in data.items()} if found else None


async def test_values_arrive_change_and_go(desk: Desk):
    await desk.prepare()
    await inject(desk, **VALUES)
    assert await injected(desk) == VALUES
    await inject(desk, STRIPE_KEY="another")
    assert await injected(desk) == {"STRIPE_KEY": "another"}

    needed = desk.render(deployment(), service(), secrets="digest")
    await desk.apply(needed)
    await desk.workloads.prune(desk.namespace, needed, open_fence)
    assert await injected(desk) == {"STRIPE_KEY": "another"}

    without = desk.render(deployment(), service())
    await desk.apply(without)
    await desk.workloads.prune(desk.namespace, without, open_fence)
    assert await injected(desk) is None


async def test_a_closed_fence_lets_no_secret_through(desk: Desk):
    async def closed() -> None:
        raise Superseded("a newer head is known")

    await desk.prepare()
    with pytest.raises(Superseded):
        await desk.workloads.inject(desk.namespace, desk.key, desk.repository, VALUES, closed)
    assert await injected(desk) is None


async def test_a_secret_of_the_operators_is_read_for_the_repository_that_it_names(desk: Desk):
    vault = f"{desk.namespace}-vault"
    await desk.eyes.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": vault}})
    metadata = {"name": "stripe", "namespace": vault, "annotations": {REPOSITORIES: "acme/shop"}}
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    await desk.eyes.create(SECRETS, body | {"stringData": {"key": "sk_test_4711"}})
    metadata = {"name": "stripe-of-others", "namespace": vault}
    await desk.eyes.create(SECRETS, body | {"metadata": metadata, "stringData": {"key": "sk_test_others"}})
    try:
        provider = KubernetesSecrets(partial(read_secret, desk.api), [vault])
        assert await provider.read(f"{vault}/stripe#key", desk.repository) == "sk_test_4711"
        for path in (f"{vault}/stripe-of-others#key", f"{vault}/absent#key", "default/stripe#key"):
            with pytest.raises(Rejected):
                await provider.read(path, desk.repository)
    finally:
        await desk.eyes.delete(NAMESPACES, vault)

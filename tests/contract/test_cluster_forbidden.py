"""Refusals for missing rights: they pass while rights are new, and a deleted namespace has none."""

from __future__ import annotations

import asyncio
import time

import pytest

from bot.cluster.client import forbidden
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import CONFIG_MAP, NAMESPACE, SECRET
from bot.model.errors import Unavailable
from tests.contract.cluster_harness import Harness, bind, eventually

SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}


async def test_absent_namespace_is_empty(harness: Harness):
    namespace = harness.namespace
    assert (await harness.api.list(CONFIG_MAP, namespace)).items == []
    assert await harness.api.find(SECRET, "token", namespace) is None
    await harness.api.delete(CONFIG_MAP, "settings", namespace)
    with pytest.raises(Unavailable, match="does not exist"):
        await harness.api.apply({**SETTINGS, "metadata": {"name": "settings", "namespace": namespace}})


async def test_terminating_namespace_is_waited_for(harness: Harness):
    await harness.prepare()
    held = {**SETTINGS, "metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    await harness.observer.create(CONFIG_MAP, held, harness.namespace)
    await harness.observer.delete(NAMESPACE, harness.namespace)

    async def waits() -> bool:
        try:
            await harness.api.list(SECRET, harness.namespace)
        except Unavailable as error:
            return "is being deleted" in str(error)
        return False

    await eventually(waits)
    await harness.observer.patch(CONFIG_MAP, "held", {"metadata": {"finalizers": None}}, harness.namespace)


async def test_refusal_in_an_existing_namespace_is_final(harness: Harness):
    started = time.monotonic()
    with pytest.raises(Refused, match="cannot list resource"):
        await harness.api.list(SECRET, "default")
    assert time.monotonic() - started < 2, "it is not retried"


async def test_refusal_is_retried_while_rights_are_expected(harness: Harness):
    namespace = f"{harness.namespace}-late"
    await harness.observer.create(NAMESPACE, {"metadata": {"name": namespace}})
    try:
        harness.api.expect_rights(namespace)
        listing = asyncio.ensure_future(harness.api.list(SECRET, namespace))
        await asyncio.sleep(0.3)
        assert not listing.done()
        await bind(harness, namespace, "greenroom-secrets")
        await listing
    finally:
        await harness.observer.delete(NAMESPACE, namespace)


async def test_refusal_is_final_after_the_grace_time(harness: Harness, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forbidden, "_GRACE_SECONDS", 0.3)
    namespace = f"{harness.namespace}-never"
    await harness.observer.create(NAMESPACE, {"metadata": {"name": namespace}})
    try:
        harness.api.expect_rights(namespace)
        with pytest.raises(Refused, match="cannot list resource"):
            await harness.api.list(SECRET, namespace)
    finally:
        await harness.observer.delete(NAMESPACE, namespace)


async def test_refusal_for_the_content_is_not_retried(harness: Harness):
    await harness.prepare()  # so that rights are expected
    privileged = {"name": "a", "image": "a", "securityContext": {"privileged": True}}
    pod = {"metadata": {"name": "a", "namespace": harness.namespace}, "spec": {"containers": [privileged]}}
    started = time.monotonic()
    with pytest.raises(Refused, match="violates PodSecurity"):
        await harness.api.apply({"apiVersion": "v1", "kind": "Pod", **pod})
    assert time.monotonic() - started < 4

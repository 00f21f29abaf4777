"""Limits of the bot's account under the rights and the policy of deploy/."""

from __future__ import annotations

import copy
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from bot import app
from bot.cluster.client.kinds import NAMESPACE, Kind
from bot.cluster.confinement import NotConfined, await_confinement, prove_confinement
from bot.embedded.installation import policy
from bot.embedded.kubernetes.faults import Fault
from tests.contract.attacks import BOUND, KEPT, LABELS, OWNED, Attack, attacks
from tests.contract.cluster_harness import APP_ID, DEADLINE_SECONDS, Harness, eventually
from tests.contract.kubernetes_api import http_client

_GROUP = "admissionregistration.k8s.io/v1"
POLICIES = Kind(_GROUP, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False)
POLICY_BINDINGS = Kind(
    _GROUP, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", namespaced=False
)
real = pytest.mark.parametrize("harness", [pytest.param("real", marks=pytest.mark.cluster)], indirect=True)
"""For what only a real control plane has: it evaluates the policy."""


@dataclass(frozen=True)
class Site:
    """Namespaces of all kinds, and the bot's credentials. Nothing is written: requests are dry runs."""

    harness: Harness
    http: httpx.AsyncClient
    attacks: list[Attack]

    async def status(self, attack: Attack) -> int:
        headers = {"Content-Type": attack.media}
        query = {} if attack.method == "GET" else {"dryRun": "All"}
        content = None if attack.body is None else json.dumps(attack.body)
        url = httpx.URL(attack.path).copy_merge_params(query)
        answer = await self.http.request(attack.method, url, content=content, headers=headers)
        return answer.status_code

    async def refused(self, attack: Attack) -> bool:
        # The embedded server does not serve some of the resources.
        return await self.status(attack) in ((403,) if self.harness.server is None else (403, 404))


@pytest.fixture
async def site(harness: Harness) -> AsyncIterator[Site]:
    await harness.prepare()
    names = [f"test-{secrets.token_hex(4)}" for _ in range(3)]
    half = {"greenroom.dev/app": str(APP_ID)}
    for name, labels in zip(names, ({**LABELS, "greenroom.dev/app": "2"}, {}, half), strict=True):
        await harness.observer.create(NAMESPACE, {"metadata": {"name": name, "labels": labels}})
    async with await http_client(harness.kubeconfig) as http:
        yield Site(harness, http, attacks(harness.namespace, *names))
    for name in names:
        await harness.observer.delete(NAMESPACE, name)


async def test_attacks_are_refused(site: Site):
    passed = [attack.name for attack in site.attacks if not await site.refused(attack)]
    assert passed == []


async def test_confinement_is_proved(harness: Harness):
    await prove_confinement(harness.api, APP_ID)
    with pytest.raises(NotConfined, match="does not allow namespaces of the GitHub App 7"):
        await prove_confinement(harness.api, 7)


async def test_unconfined_account_is_reported(harness: Harness):
    async with _without_policy(harness):

        async def reported() -> bool:
            try:
                await prove_confinement(harness.api, APP_ID)
            except NotConfined as error:
                return "rights in the namespace default. Apply deploy/base/rights.yaml" in str(error)
            return False

        await eventually(reported)


@pytest.mark.parametrize("harness", ["embedded"], indirect=True)
async def test_late_proof_stops_an_unconfined_bot(harness: Harness, monkeypatch: pytest.MonkeyPatch):
    """The API server did not answer at the start of the bot, and has no policy."""
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr(app, "_PROOF_PAUSE", 0.01)
    monkeypatch.setattr(os, "kill", lambda process, number: signals.append((process, number)))
    assert harness.server is not None
    harness.server.faults.active.append(Fault("POST .*selfsubjectreviews", fail_status=503, times=2))
    await app._prove_later(harness.api, APP_ID)
    assert signals == []
    async with _without_policy(harness):
        await app._prove_later(harness.api, APP_ID)
    assert signals == [(os.getpid(), signal.SIGTERM)]


@asynccontextmanager
async def _without_policy(harness: Harness) -> AsyncIterator[None]:
    if harness.server is not None:
        harness.server.confinement.confine("nobody:nobody", APP_ID)
        yield
        return
    [_, binding] = policy(APP_ID)
    await harness.observer.delete(POLICY_BINDINGS, "greenroom")
    yield
    await harness.observer.create(POLICY_BINDINGS, binding)
    await await_confinement(harness.api, APP_ID, DEADLINE_SECONDS)


@real
@pytest.mark.parametrize("removed", [OWNED, KEPT, BOUND])
async def test_each_validation_of_the_policy_is_needed(site: Site, removed: int):
    [body, _] = policy(APP_ID)
    weaker = copy.deepcopy(body)
    del weaker["spec"]["validations"][removed]
    selected = [attack for attack in site.attacks if attack.only == removed]
    assert selected
    try:
        await site.harness.observer.patch(POLICIES, "greenroom", weaker)

        async def passed() -> bool:
            return not [attack for attack in selected if await site.refused(attack)]

        await eventually(passed)
        others = [attack for attack in site.attacks if attack.only != removed]
        assert [attack.name for attack in others if not await site.refused(attack)] == []
    finally:
        await site.harness.observer.patch(POLICIES, "greenroom", body)

    async def restored() -> bool:
        return all([await site.refused(attack) for attack in selected])

    await eventually(restored)

"""Which changes of a namespace's labels the policy allows: every combination, on both API servers."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest

from bot.cluster.client.kinds import NAMESPACE
from tests.contract.cluster_harness import APP_ID, Harness
from tests.contract.kubernetes_api import MERGE, http_client

MANAGED_BY, APP = "app.kubernetes.io/managed-by", "greenroom.dev/app"
ENVIRONMENT, ENFORCE = "greenroom.dev/environment", "pod-security.kubernetes.io/enforce"
OURS = str(APP_ID)

Labels = Mapping[str, str | None]


def combinations(*environments: str | None) -> Iterator[Labels]:
    values = (
        (None, "greenroom", "other"),
        (None, OURS, "2"),
        environments,
        (None, "restricted", "baseline", "privileged"),
    )
    for chosen in itertools.product(*values):
        yield dict(zip((MANAGED_BY, APP, ENVIRONMENT, ENFORCE), chosen, strict=True))


def is_allowed(before: Labels | None, after: Labels) -> bool:
    """The promise: only our namespaces are written, they stay ours, and their Pod Security stays enforced.

    A namespace that is labelled for an environment, but has no App yet, can be claimed.
    """
    becomes_ours = (
        after[MANAGED_BY] == "greenroom"
        and after[APP] == OURS
        and after[ENFORCE] in ("baseline", "restricted")
    )
    if before is None:
        return becomes_ours
    claimable = before[APP] is None and before[ENVIRONMENT] is not None
    was_ours = before[MANAGED_BY] == "greenroom" and (before[APP] == OURS or claimable)
    return was_ours and becomes_ours


@dataclass(frozen=True)
class Account:
    """The bot's credentials. Requests are dry runs."""

    http: httpx.AsyncClient
    limit: asyncio.Semaphore

    async def create(self, labels: Labels) -> bool:
        body = {"metadata": {"name": "dry-run", "labels": {k: v for k, v in labels.items() if v is not None}}}
        return await self._allowed("POST", "/api/v1/namespaces", body, "application/json")

    async def relabel(self, name: str, labels: Labels) -> bool:
        return await self._allowed(
            "PATCH", f"/api/v1/namespaces/{name}", {"metadata": {"labels": labels}}, MERGE
        )

    async def _allowed(self, method: str, path: str, body: object, media: str) -> bool:
        async with self.limit:
            answer = await self.http.request(
                method,
                path,
                params={"dryRun": "All"},
                content=json.dumps(body),
                headers={"Content-Type": media},
            )
        assert answer.status_code in (200, 201, 403), answer.text
        return answer.status_code < 300


@pytest.fixture
async def account(harness: Harness) -> AsyncIterator[Account]:
    async with await http_client(harness.kubeconfig) as http:
        yield Account(http, asyncio.Semaphore(8))


async def test_policy_decides_every_creation(account: Account):
    created = list(combinations("preview.1.1"))
    allowed = await asyncio.gather(*(account.create(labels) for labels in created))
    assert dict(enumerate(allowed)) == {
        index: is_allowed(None, labels) for index, labels in enumerate(created)
    }


@pytest.mark.long
async def test_policy_decides_every_change(harness: Harness, account: Account):
    wrong = []
    for before in combinations(None, "preview.1.1"):
        if before[ENFORCE] != "restricted":
            continue
        name = f"test-{secrets.token_hex(4)}"
        labels = {key: value for key, value in before.items() if value is not None}
        await harness.observer.create(NAMESPACE, {"metadata": {"name": name, "labels": labels}})
        changes = list(combinations("preview.1.1"))
        allowed = await asyncio.gather(*(account.relabel(name, after) for after in changes))
        wrong += [
            (before, after)
            for after, answer in zip(changes, allowed, strict=True)
            if answer is not is_allowed(before, after)
        ]
        await harness.observer.delete(NAMESPACE, name)
    assert wrong == []

"""`POST /webhooks` with a store on disk."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from bot.model.environment import EnvironmentKey
from bot.model.work import WorkKey
from bot.store import Store
from bot.web.application import create_application
from bot.web.bodies import UNVERIFIED_BYTES
from bot.web.metrics import Metrics
from bot.web.webhooks import LARGEST_BODY, NoSecret, WebhookEndpoint
from tests.webhooks import SECRET, Webhook, changed, fixture, signed

MEGABYTE = 1024 * 1024
PREVIEW = EnvironmentKey.preview(661172494, 1)


class Bot:
    """Intake and store, as in the running bot."""

    def __init__(self, file: Path, store: Store, client: httpx.AsyncClient) -> None:
        self.file = file
        self.store = store
        self.client = client

    async def post(self, webhook: Webhook, **headers: str) -> httpx.Response:
        return await self.client.post(
            "/webhooks", content=webhook.body, headers={**webhook.headers, **headers}
        )

    async def generation(self) -> int:
        environment = await self.store.environments.get(PREVIEW)
        return environment.generation if environment else 0

    async def asked_for(self) -> set[WorkKey]:
        return {claim.key for claim in await self.store.queue.claim("test", 1000, 60)}


async def run(stack: AsyncExitStack, folder: Path, *secrets: str) -> Bot:
    file = folder / "greenroom.db"
    store = await Store.open(f"sqlite:///{file}")
    stack.push_async_callback(store.close)
    await store.migrate()
    application = create_application([WebhookEndpoint(store.deliveries, secrets, Metrics()).route()])
    client = httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://bot")
    return Bot(file, store, await stack.enter_async_context(client))


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    async with AsyncExitStack() as stack:
        yield await run(stack, tmp_path, SECRET)


def commits(database: Path) -> int:
    """Transactions in SQLite's write-ahead log: each ends with a frame that has the database's size."""
    log = database.with_name(f"{database.name}-wal").read_bytes()
    frame = 24 + int.from_bytes(log[8:12], "big")
    return sum(any(log[at + 4 : at + 8]) for at in range(32, len(log), frame))


async def test_webhook_is_acknowledged_with_its_work_on_disk(bot: Bot) -> None:
    answer = await bot.post(fixture("pull_request.opened"))
    assert (answer.status_code, answer.json()) == (
        202,
        {"recorded": fixture("pull_request.opened").guid},
    )
    with sqlite3.connect(bot.file) as reader:  # what another process sees
        assert reader.execute("SELECT event, action, repository FROM deliveries").fetchall() == [
            ("pull_request", "opened", "larkfield/greengrocer")
        ]
        assert reader.execute("SELECT key FROM work").fetchall() == [(f"environment:{PREVIEW}",)]
    reader.close()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": "sha256=ä\N{SNOWMAN}"},
        {"X-Hub-Signature": fixture("ping").headers["X-Hub-Signature"]},
    ],
)
async def test_webhook_without_valid_signature_is_rejected(bot: Bot, headers: dict[str, str]) -> None:
    webhook = fixture("pull_request.opened")
    kept = {name: value for name, value in webhook.headers.items() if not name.startswith("X-Hub")}
    sent = [(name.encode(), value.encode()) for name, value in (kept | headers).items()]
    answer = await bot.client.post("/webhooks", content=webhook.body, headers=sent)
    assert answer.status_code == 401
    assert "X-Hub-Signature-256" in answer.json()["error"]
    assert await bot.asked_for() == set()


async def test_webhook_accepts_both_secrets_during_rotation(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        bot = await run(stack, tmp_path, "the new secret", "the old secret")
        for number, secret in enumerate(("the old secret", "the new secret")):
            assert (await bot.post(signed("ping", b"{}", f"guid-{number}", secret))).status_code == 202
        assert (await bot.post(signed("ping", b"{}", "guid-3", "another"))).status_code == 401


@pytest.mark.parametrize("secrets", [(), ("",), ("a secret", "")])
async def test_webhook_endpoint_requires_a_secret(tmp_path: Path, secrets: tuple[str, ...]) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(NoSecret, match="set GREENROOM_WEBHOOK_SECRET"):
            await run(stack, tmp_path, *secrets)


async def test_webhook_body_at_the_limit_is_read(bot: Bot) -> None:
    start = fixture("pull_request.opened").body.rstrip()
    body = start + b" " * (LARGEST_BODY - len(start))
    assert (await bot.post(signed("pull_request", body))).status_code == 202
    assert await bot.generation() == 1


async def test_webhook_rejects_large_content_length(bot: Bot) -> None:
    answer = await bot.post(fixture("ping"), **{"Content-Length": str(LARGEST_BODY + 1)})
    assert answer.status_code == 413
    assert "25 MB" in answer.json()["error"]


@pytest.mark.parametrize("announced", [{}, {"Content-Length": "2"}])
async def test_webhook_rejects_large_body_while_reading(bot: Bot, announced: dict[str, str]) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100:
            sent += 1
            yield b" " * MEGABYTE

    answer = await bot.client.post("/webhooks", content=endless(), headers=announced)
    assert answer.status_code == 413
    assert sent <= 26


async def test_webhooks_beyond_the_memory_of_unverified_bodies_are_retried(
    bot: Bot,
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def large() -> AsyncIterator[bytes]:
        yield b" " * (UNVERIFIED_BYTES // 4 - 1000)
        started.set()
        await go_on.wait()
        yield b" "

    floods = [asyncio.create_task(bot.client.post("/webhooks", content=large())) for _ in range(5)]
    await started.wait()
    assert (await bot.post(fixture("ping"))).status_code == 202
    go_on.set()
    answers = await asyncio.gather(*floods)
    assert sorted(answer.status_code for answer in answers) == [401, 401, 401, 401, 503]
    assert [answer.headers["Retry-After"] for answer in answers if answer.status_code == 503] == ["10"]


async def test_webhook_of_disconnected_client_has_no_effect(bot: Bot) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield b"{"
        raise httpx.ReadError("gone")

    with pytest.raises(httpx.ReadError):
        await bot.client.post("/webhooks", content=cut(), headers=dict(fixture("ping").headers))
    assert await bot.asked_for() == set()


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"7", b"{", b"\xff", b"payload=%7B%7D"])
async def test_webhook_body_must_be_an_object(bot: Bot, body: bytes) -> None:
    answer = await bot.post(signed("pull_request", body))
    assert answer.status_code == 400
    assert "application/json" in answer.json()["error"]


@pytest.mark.parametrize("missing", ["X-GitHub-Event", "X-GitHub-Delivery"])
async def test_webhook_requires_event_and_guid(bot: Bot, missing: str) -> None:
    webhook = fixture("ping")
    for strange in (None, "", "a b", "x" * 101):
        headers = {key: value for key, value in webhook.headers.items() if key != missing}
        answer = await bot.post(
            Webhook(headers | ({missing: strange} if strange is not None else {}), webhook.body)
        )
        assert answer.status_code == 400
        assert missing in answer.json()["error"]


async def test_webhook_accepts_unknown_events_without_effect(bot: Bot) -> None:
    strange = [
        signed("sponsorship", b'{"action": "created"}', "one"),
        signed("pull_request", changed("pull_request.opened", action="levitated"), "two"),
        signed("pull_request", b'{"brand": "new"}', "three"),
        signed("pull_request", changed("pull_request.opened", pull_request=7, number="seven"), "four"),
    ]
    for webhook in strange:
        assert (await bot.post(webhook)).status_code == 202
    assert await bot.asked_for() == set()
    assert await bot.generation() == 0


async def test_webhook_redelivery_has_no_second_effect(bot: Bot) -> None:
    webhook = fixture("pull_request.labeled")  # each of these is a change
    for _ in range(3):
        assert (await bot.post(webhook)).status_code == 202
    assert await bot.generation() == 1
    answers = await asyncio.gather(*(bot.post(webhook) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert await bot.generation() == 1
    await bot.post(signed("pull_request", webhook.body, "another-guid"))
    assert await bot.generation() == 2


async def test_webhook_that_is_not_stored_is_not_acknowledged(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.store.sqlite._BUSY_MILLISECONDS", 200)
    webhook = fixture("pull_request.opened")
    other = sqlite3.connect(bot.file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")  # for longer than the store waits
    answer = await bot.post(webhook)
    assert answer.status_code == 503
    assert "Redeliver it" in answer.json()["error"]
    other.execute("ROLLBACK")
    other.close()
    assert await bot.asked_for() == set()
    assert (await bot.post(webhook)).status_code == 202
    assert await bot.asked_for() == {WorkKey.environment(PREVIEW)}


async def test_concurrent_webhooks_share_a_commit(bot: Bot) -> None:
    pull = fixture("pull_request.opened").payload["pull_request"]
    webhooks = []
    for number in range(1, 51):
        body = json.dumps(
            fixture("pull_request.opened").payload | {"pull_request": pull | {"number": number}}
        )
        webhooks.append(signed("pull_request", body.encode(), f"guid-{number}"))
    before = commits(bot.file)
    answers = await asyncio.gather(*(bot.post(webhook) for webhook in webhooks))
    assert {answer.status_code for answer in answers} == {202}
    assert commits(bot.file) - before <= 5
    assert len(await bot.asked_for()) == 50
    before = commits(bot.file)
    await bot.post(fixture("ping"))
    assert commits(bot.file) - before == 1


async def test_webhook_accepts_only_post(bot: Bot) -> None:
    assert (await bot.client.get("/webhooks")).status_code == 405

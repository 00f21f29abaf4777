"""Sends webhooks as GitHub does: signed, with ten seconds to respond, without retries, and recorded."""

import asyncio
import hashlib
import hmac
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import msgspec

from bot.embedded.github.credentials import AppCredentials
from bot.embedded.github.faults import Faults
from bot.embedded.github.render.accounts import installation_reference
from bot.embedded.github.state.apps import Delivery, Installation
from bot.embedded.github.state.records import Repository
from bot.embedded.github.state.world import World

TIMEOUT = 10.0
AT_ONCE = 32
HOOK_ID = 481_203_117
SERVER_VERSION = "3.20.1"

# Sent to every App without being requested.
_UNASKED = ("installation", "installation_repositories", "ping")


class Deliveries:
    """Records each delivery when it happens and sends it on the server's event loop."""

    def __init__(self, world: World, faults: Faults, credentials: Callable[[], AppCredentials]) -> None:
        self._world = world
        self._faults = faults
        self._credentials = credentials
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[Delivery] = []
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._pending = 0
        self._idle = threading.Condition()

    def start(self) -> None:
        """Called on the loop that will send."""
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        self._loop = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client:
            await self._client.aclose()

    def wait_idle(self, timeout: float = 10.0) -> None:
        """Wait until everything that was to be sent has been answered. Raises TimeoutError."""
        with self._idle:
            if not self._idle.wait_for(lambda: self._pending == 0, timeout):
                raise TimeoutError(f"{self._pending} deliveries are still in progress")

    def send(
        self, event: str, action: str | None, repository: Repository | None, payload: dict[str, Any]
    ) -> None:
        """Deliver to the App if it has a webhook, is subscribed, and may see the repository."""
        app = self._world.app(self._credentials().slug)
        if not app.hook_url or self._faults.peek("outage"):
            return
        installation_id = payload.get("installation", {}).get("id")
        if repository:
            installation = self._world.installation(app, repository)
            if not installation or not _subscribed(installation, event):
                return
            installation_id = installation.id
            payload["installation"] = installation_reference(installation)
        elif event not in _UNASKED:
            return
        body = msgspec.json.encode(payload)
        delivery = Delivery(
            id=self._next_id(),
            guid=str(uuid.uuid1()),
            event=event,
            action=action,
            installation_id=installation_id,
            repository_id=repository.id if repository else None,
            url=app.hook_url,
            delivered_at=self._world.now(),
            request_headers={},
            request_body=body,
        )
        delivery.request_headers = self._headers(delivery)
        self._enqueue(delivery)

    def redeliver(self, original: Delivery) -> Delivery:
        """A new attempt with the same guid and body, to today's address."""
        app = self._world.app(self._credentials().slug)
        again = replace(
            original,
            id=self._next_id(),
            url=app.hook_url or "",
            delivered_at=self._world.now(),
            redelivery=True,
            status="pending",
            status_code=0,
        )
        again.request_headers = self._headers(again)
        self._enqueue(again)
        return again

    def _next_id(self) -> int:
        # real delivery ids are large, grow with time and have gaps
        return self._world.next_id("delivery") * 1_000 + secrets.randbelow(1_000)

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        app = self._world.app(self._credentials().slug)
        secret = self._credentials().webhook_secret.encode()
        return {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/7c1f3e2",
            "X-GitHub-Delivery": delivery.guid,
            "X-GitHub-Enterprise-Host": self._world.host,
            "X-GitHub-Enterprise-Version": SERVER_VERSION,
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Hook-ID": str(HOOK_ID),
            "X-GitHub-Hook-Installation-Target-ID": str(app.id),
            "X-GitHub-Hook-Installation-Target-Type": "integration",
            "X-Hub-Signature": "sha1=" + hmac.digest(secret, delivery.request_body, hashlib.sha1).hex(),
            "X-Hub-Signature-256": "sha256="
            + hmac.digest(secret, delivery.request_body, hashlib.sha256).hex(),
        }

    def _enqueue(self, delivery: Delivery) -> None:
        if self._faults.take("vanish", event=delivery.event):
            return
        self._world.state.deliveries[delivery.id] = delivery
        if self._faults.take("drop", event=delivery.event):
            delivery.status, delivery.status_code = "failed to connect to host", 502
            return
        if self._loop is None:
            return
        with self._idle:
            self._pending += 1
        self._loop.call_soon_threadsafe(self._plan, delivery)

    def _plan(self, delivery: Delivery) -> None:
        if fault := self._faults.peek("reorder"):
            self._held.append(delivery)
            if len(self._held) >= (fault.times or 2):
                self._faults.remove(fault)
                self._release()
            elif len(self._held) == 1 and self._loop:
                self._loop.call_later(fault.seconds or 1.0, self._release)
            return
        self._spawn([delivery])

    def _release(self) -> None:
        held, self._held = self._held[::-1], []
        self._spawn(held)

    def _spawn(self, deliveries: list[Delivery]) -> None:
        """Send these one after the other, beside whatever else is being sent."""
        task = asyncio.ensure_future(self._send_all(deliveries))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_all(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            try:
                await self._send(delivery)
            finally:
                with self._idle:
                    self._pending -= 1
                    self._idle.notify_all()

    async def _send(self, delivery: Delivery) -> None:
        if fault := self._faults.take("delay", event=delivery.event):
            await asyncio.sleep(fault.seconds)
        async with self._slots:
            await self._attempt(delivery)
            if self._faults.take("double", event=delivery.event):
                await self._attempt(delivery)

    async def _attempt(self, delivery: Delivery) -> None:
        if self._client is None:  # made late: it takes longer than the whole server
            self._client = httpx.AsyncClient(trust_env=False, timeout=None)  # noqa: S113 - TIMEOUT rules
        started = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT):
                answer = await self._client.post(
                    delivery.url, content=delivery.request_body, headers=delivery.request_headers
                )
        except TimeoutError:
            delivery.status, delivery.status_code = "timed out", 504
        except httpx.HTTPError:
            delivery.status, delivery.status_code = "failed to connect to host", 502
        else:
            good = answer.is_success
            delivery.status = "OK" if good else f"Invalid HTTP Response: {answer.status_code}"
            delivery.status_code = answer.status_code
        delivery.duration = round(time.monotonic() - started, 3)


def _subscribed(installation: Installation, event: str) -> bool:
    return installation.suspended_at is None and event in installation.events

"""`POST /webhooks`: the acknowledgement is a promise, sent when everything is on disk and not before.

Nothing here waits for GitHub or the cluster: a signature, a partial read, one commit.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from bot.intake.payload import NotAnObject
from bot.intake.reading import Reading, read
from bot.intake.signature import verify
from bot.model.delivery import Delivery, WebhookEffect
from bot.model.errors import GreenroomError, StoreUnavailable

LARGEST_BODY = 25 * 1024 * 1024
"""GitHub's own limit; it delivers nothing larger."""

_LARGE_BODY = 1024 * 1024
"""From here on, signature and decoding are left to a thread: they would hold up the others."""

_HEADER = re.compile(rb"[\x21-\x7e]{1,100}")

_log = structlog.get_logger(__name__)
_told = logging.getLogger(__name__)


class Recorder(Protocol):
    async def record(self, delivery: Delivery, asks: Sequence[WebhookEffect]) -> None:
        """Returns once both are on disk; StoreUnavailable when they are not."""


class NoSecret(GreenroomError):
    """Without a webhook secret anybody could tell the bot anything; set GREENROOM_WEBHOOK_SECRET."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class _Refused(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Webhooks:
    """An ASGI application: what comes in is read by hand, so that it can be counted while it is read.

    Every one of the secrets is accepted, so that one can be rotated; NoSecret when there is none or an empty
    one.
    """

    def __init__(self, recorder: Recorder, secrets: Sequence[str]) -> None:
        if not secrets or not all(secrets):
            raise NoSecret
        self._recorder = recorder
        self._secrets = tuple(secret.encode() for secret in secrets)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        try:
            body = await _body(headers, receive)
            if body is None:
                return
            reading = await self._read(headers, body)
            await self._record(reading)
        except _Refused as refusal:
            told = {"status": refusal.status, "reason": str(refusal)}
            _log.info("a webhook was refused", delivery=_shown(headers), **told)
            await _answer(send, refusal.status, {"error": str(refusal)})
        else:
            await _answer(send, 202, {"recorded": reading.delivery.guid})

    async def _read(self, headers: dict[bytes, bytes], body: bytes) -> Reading:
        if len(body) > _LARGE_BODY:
            return await asyncio.to_thread(_verified, self._secrets, headers, body)
        return _verified(self._secrets, headers, body)

    async def _record(self, reading: Reading) -> None:
        delivery = reading.delivery
        try:
            await self._recorder.record(delivery, reading.asks)
        except StoreUnavailable as error:
            _log.error("a delivery could not be stored", delivery=delivery.guid, reason=str(error))
            raise _Refused(503, "It could not be stored; deliver it again.") from error
        if _told.isEnabledFor(logging.DEBUG):  # a call that says nothing would cost a tenth of the answer
            _log.debug("recorded", delivery=delivery.guid, of=delivery.event, action=delivery.action)


def _shown(headers: dict[bytes, bytes]) -> str | None:
    """The guid, where it is one that may stand in a log."""
    guid = headers.get(b"x-github-delivery", b"")
    return guid.decode("ascii") if _HEADER.fullmatch(guid) else None


def _verified(secrets: Sequence[bytes], headers: dict[bytes, bytes], body: bytes) -> Reading:
    if not verify(secrets, body, headers.get(b"x-hub-signature-256")):
        raise _Refused(401, "X-Hub-Signature-256 is missing or was not made with this App's webhook secret.")
    event = _header(headers, b"x-github-event", "X-GitHub-Event")
    guid = _header(headers, b"x-github-delivery", "X-GitHub-Delivery")
    try:
        return read(event, guid, body, datetime.now(UTC))
    except NotAnObject as error:
        raise _Refused(400, f"{error} Set the App's webhook content type to application/json.") from error


def _header(headers: dict[bytes, bytes], name: bytes, shown: str) -> str:
    value = headers.get(name, b"")
    if not _HEADER.fullmatch(value):
        raise _Refused(400, f"The header {shown} is missing or not as GitHub writes it.")
    return value.decode("ascii")


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
    """The whole body; None when the client went away while sending it."""
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced[:20]) > LARGEST_BODY:
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > LARGEST_BODY:
            raise _too_large()
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large() -> _Refused:
    return _Refused(413, f"A webhook has at most {LARGEST_BODY // 1024**2} MB.")


async def _answer(send: Send, status: int, content: dict[str, str]) -> None:
    body = msgspec.json.encode(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""`POST /webhooks`: verifies, reads and records a delivery; acknowledges it once it is on disk.

The route waits for neither GitHub nor the cluster: one signature, one partial decoding, one commit.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.intake.parser import ParsedDelivery, parse_delivery
from bot.intake.payload import InvalidPayload
from bot.intake.signature import verify
from bot.model.delivery import Delivery, WebhookEffect
from bot.model.errors import GreenroomError, StoreUnavailable
from bot.web.bodies import BodyTooLarge, Headers, MemoryExhausted, UnverifiedBodies

LARGEST_BODY = 25 * 1024 * 1024
"""Bytes; GitHub's own limit."""

_LARGE_BODY = 64 * 1024
"""Bytes; larger bodies, and comments with their Markdown, are verified and parsed in a thread, so that they
do not block other requests."""

_RETRY = {"Retry-After": "10"}

_HEADER = re.compile(rb"[\x21-\x7e]{1,100}")

_log = structlog.get_logger(__name__)
_level = logging.getLogger(__name__)


class Recorder(Protocol):
    async def record(self, delivery: Delivery, effects: Sequence[WebhookEffect]) -> None:
        """Returns once both are on disk; raises StoreUnavailable when they are not."""


class DeliveryTelemetry(Protocol):
    def delivery(self, event: str, status: int | None, seconds: float) -> None:
        """Counts one request; the status is None when the client disconnected."""


class NoSecret(GreenroomError):
    """No webhook secret: every request would be accepted; set GREENROOM_WEBHOOK_SECRET."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class WebhookEndpoint:
    """An ASGI application: a Request and its wrappers would cost as much as the signature.

    Accepts each of the secrets, so that one can be rotated.

    NoSecret when there is none, or an empty one.
    """

    def __init__(self, recorder: Recorder, secrets: Sequence[str], telemetry: DeliveryTelemetry) -> None:
        if not secrets or not all(secrets):
            raise NoSecret
        self._recorder = recorder
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._telemetry = telemetry
        self._bodies = UnverifiedBodies()

    def route(self) -> Route:
        return Route("/webhooks", self, methods=["POST"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers: Headers = dict(scope["headers"])
        status: int | None = None
        try:
            response = await self._respond(headers, receive)
            status = response.status_code
            await response(scope, receive, send)
        except ClientDisconnect:
            pass
        finally:
            event = headers.get(b"x-github-event", b"").decode("latin-1")
            self._telemetry.delivery(event, status, time.perf_counter() - started)

    async def _respond(self, headers: Headers, receive: Receive) -> Response:
        try:
            parsed = await self._read(headers, receive)
            await self._record(parsed)
        except _Refused as refusal:
            guid = headers.get(b"x-github-delivery", b"")
            _log.info(
                "webhook rejected",
                delivery=guid.decode() if _HEADER.fullmatch(guid) else None,
                status=refusal.status,
                reason=str(refusal),
            )
            return _json({"error": str(refusal)}, refusal.status, _RETRY if refusal.status == 503 else None)
        return _json({"recorded": parsed.delivery.guid}, 202)

    async def _read(self, headers: Headers, receive: Receive) -> ParsedDelivery:
        with self._bodies.body() as unverified:
            try:
                body = await unverified.read(headers, receive, LARGEST_BODY)
            except BodyTooLarge:
                raise _Refused(413, f"The body exceeds {LARGEST_BODY // 1024**2} MB.") from None
            except MemoryExhausted:
                raise _Refused(503, "Too many large requests at once. Redeliver it.") from None
            if len(body) > _LARGE_BODY or headers.get(b"x-github-event") == b"issue_comment":
                return await asyncio.to_thread(_verify_and_parse, self._secrets, headers, body)
            return _verify_and_parse(self._secrets, headers, body)

    async def _record(self, parsed: ParsedDelivery) -> None:
        delivery = parsed.delivery
        try:
            await self._recorder.record(delivery, parsed.effects)
        except StoreUnavailable as error:
            _log.error("delivery not stored", delivery=delivery.guid, reason=str(error))
            raise _Refused(503, "The delivery could not be stored. Redeliver it.") from error
        if _level.isEnabledFor(logging.DEBUG):  # structlog formats an event before it drops it
            _log.debug("delivery recorded", delivery=delivery.guid, of=delivery.event, action=delivery.action)


def _verify_and_parse(secrets: Sequence[bytes], headers: Headers, body: bytes) -> ParsedDelivery:
    if not verify(secrets, body, headers.get(b"x-hub-signature-256")):
        raise _Refused(401, "X-Hub-Signature-256 is missing or does not match this App's webhook secret.")
    event, guid = _header(headers, "X-GitHub-Event"), _header(headers, "X-GitHub-Delivery")
    try:
        return parse_delivery(event, guid, body, datetime.now(UTC))
    except InvalidPayload as error:
        raise _Refused(400, f"{error} Set the App's webhook content type to application/json.") from error


def _header(headers: Headers, name: str) -> str:
    value = headers.get(name.lower().encode(), b"")
    if not _HEADER.fullmatch(value):
        raise _Refused(400, f"The header {name} is missing or malformed.")
    return value.decode()


def _json(content: dict[str, str], status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")

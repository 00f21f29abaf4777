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

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.intake.parser import ParsedDelivery, parse_delivery
from bot.intake.payload import InvalidPayload
from bot.intake.signature import verify
from bot.model.delivery import Delivery, WebhookEffect
from bot.model.errors import GreenroomError, StoreUnavailable

LARGEST_BODY = 25 * 1024 * 1024
"""Bytes; GitHub's own limit."""

_LARGE_BODY = 1024 * 1024
"""Bytes; larger bodies are verified and decoded in a thread, so that they do not block other requests."""

_HEADER = re.compile(r"[\x21-\x7e]{1,100}")

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
    """Accepts each of the secrets, so that one can be rotated.

    NoSecret when there is none, or an empty one.
    """

    def __init__(self, recorder: Recorder, secrets: Sequence[str], telemetry: DeliveryTelemetry) -> None:
        if not secrets or not all(secrets):
            raise NoSecret
        self._recorder = recorder
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._telemetry = telemetry

    def route(self) -> Route:
        return Route("/webhooks", self.receive, methods=["POST"])

    async def receive(self, request: Request) -> Response:
        started = time.perf_counter()
        status: int | None = None
        try:
            response = await self._respond(request)
            status = response.status_code
        except ClientDisconnect:
            response = Response(status_code=400)
        event = request.headers.get("x-github-event", "")
        self._telemetry.delivery(event, status, time.perf_counter() - started)
        return response

    async def _respond(self, request: Request) -> Response:
        try:
            reading = await self._read(request, await _body(request))
            await self._record(reading)
        except _Refused as refusal:
            guid = request.headers.get("x-github-delivery", "")
            _log.info(
                "webhook rejected",
                delivery=guid if _HEADER.fullmatch(guid) else None,
                status=refusal.status,
                reason=str(refusal),
            )
            return JSONResponse({"error": str(refusal)}, refusal.status)
        return JSONResponse({"recorded": reading.delivery.guid}, 202)

    async def _read(self, request: Request, body: bytes) -> ParsedDelivery:
        if len(body) > _LARGE_BODY:
            return await asyncio.to_thread(_verify_and_read, self._secrets, request, body)
        return _verify_and_read(self._secrets, request, body)

    async def _record(self, reading: ParsedDelivery) -> None:
        delivery = reading.delivery
        try:
            await self._recorder.record(delivery, reading.effects)
        except StoreUnavailable as error:
            _log.error("delivery not stored", delivery=delivery.guid, reason=str(error))
            raise _Refused(503, "The delivery could not be stored. Redeliver it.") from error
        if _level.isEnabledFor(logging.DEBUG):  # structlog formats an event before it drops it
            _log.debug("delivery recorded", delivery=delivery.guid, of=delivery.event, action=delivery.action)


def _verify_and_read(secrets: Sequence[bytes], request: Request, body: bytes) -> ParsedDelivery:
    signature = request.headers.get("x-hub-signature-256", "")
    if not verify(secrets, body, signature.encode("latin-1")):
        raise _Refused(401, "X-Hub-Signature-256 is missing or does not match this App's webhook secret.")
    event, guid = _header(request, "X-GitHub-Event"), _header(request, "X-GitHub-Delivery")
    try:
        return parse_delivery(event, guid, body, datetime.now(UTC))
    except InvalidPayload as error:
        raise _Refused(400, f"{error} Set the App's webhook content type to application/json.") from error


def _header(request: Request, name: str) -> str:
    value = request.headers.get(name, "")
    if not _HEADER.fullmatch(value):
        raise _Refused(400, f"The header {name} is missing or malformed.")
    return value


async def _body(request: Request) -> bytes:
    """The whole body; stops reading at the limit, whatever the Content-Length."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced[:20]) > LARGEST_BODY:
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise _too_large()
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large() -> _Refused:
    return _Refused(413, f"The body exceeds {LARGEST_BODY // 1024**2} MB.")

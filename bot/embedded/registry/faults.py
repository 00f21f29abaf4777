"""Faults of the registry, set by POST, GET and DELETE /_faults."""

import asyncio
from dataclasses import asdict, dataclass, fields

from aiohttp import web
from aiohttp.typedefs import Handler

PATH = "/_faults"


@dataclass
class Fault:
    """Applies to the next `times` requests whose path contains `path`; `status` 0 responds normally."""

    path: str = "/"
    status: int = 0
    delay: float = 0.0
    times: int = 1
    retry_after: str = ""
    drop: bool = False
    """Close the connection without an answer."""


class Faults:
    """The faults that are switched on, and what they do to a request."""

    def __init__(self) -> None:
        self.active: list[Fault] = []

    async def handle(self, request: web.Request) -> web.Response:
        """The requests to /_faults. POST takes one fault as a JSON object with the fields of Fault."""
        if request.method == "DELETE":
            self.active.clear()
        if request.method == "POST":
            requested = await request.json()
            unknown = set(requested) - {field.name for field in fields(Fault)}
            if unknown:
                return web.json_response({"error": f"unknown: {', '.join(sorted(unknown))}"}, status=400)
            self.active.append(Fault(**requested))
        return web.json_response([asdict(fault) for fault in self.active])

    async def apply(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Middleware that applies the first matching fault."""
        fault = next((fault for fault in self.active if fault.path in request.path and fault.times > 0), None)
        if request.path == PATH or fault is None:
            return await handler(request)
        fault.times -= 1
        await asyncio.sleep(fault.delay)
        if fault.drop and request.transport:
            request.transport.close()
        if not fault.status:
            return await handler(request)
        headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        error = {"code": "UNKNOWN", "message": "a fault is set", "detail": None}
        return web.json_response({"errors": [error]}, status=fault.status, headers=headers)

"""Bodies of responses, with a limit."""

from __future__ import annotations

import httpx

_MAX_BYTES = 16 * 2**20


async def body_of(response: httpx.Response) -> bytes:
    """The body of a response. Raises ValueError for one that is too large."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise ValueError("the answer is larger than 16 MiB")
    return bytes(body)

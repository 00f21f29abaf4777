"""A load generator that costs little: signed deliveries on keep-alive connections, one under way on each.

Run as a program of its own: `python -m tests.bench.load PORT CONNECTIONS SECONDS`; prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import sys
import time
import uuid
from itertools import count
from pathlib import Path
from typing import cast

import uvloop

SECRET = b"a secret for the bench"
_FIXTURE = Path(__file__).parents[2] / "fixtures" / "webhooks" / "pull_request.synchronize.json"
_BODIES = 400
_PULL_REQUESTS = 100


def bodies() -> list[bytes]:
    """Pushes to a hundred pull requests, as GitHub writes them: without spaces, about 24 kB each."""
    payload = json.loads(_FIXTURE.read_bytes())
    made = []
    for number in range(_BODIES):
        payload["number"] = payload["pull_request"]["number"] = 1 + number % _PULL_REQUESTS
        payload["pull_request"]["head"]["sha"] = payload["after"] = os.urandom(20).hex()
        made.append(json.dumps(payload, separators=(",", ":")).encode())
    return made


class _Requests:
    """Every request has a guid of its own; what can be prepared is prepared."""

    def __init__(self, port: int) -> None:
        self._next = count()
        self._prepared = []
        for body in bodies():
            signature = hmac.digest(SECRET, body, "sha256").hex()
            head = (
                f"POST /webhooks HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nUser-Agent: GitHub-Hookshot/bench\r\n"
                f"X-GitHub-Event: pull_request\r\nX-Hub-Signature-256: sha256={signature}\r\n"
                "X-GitHub-Delivery: "
            )
            self._prepared.append((head.encode(), body))
        self._run = uuid.uuid4().hex[:4]

    def next(self) -> tuple[bytes, bytes]:
        number = next(self._next)
        head, body = self._prepared[number % len(self._prepared)]
        # Like GitHub's, a UUID that begins with the lowest part of the time: near in time, near in the table.
        low = int(time.time() * 1e7) & 0xFFFFFFFF
        return head + f"{low:08x}-e79c-11f1-{self._run}-{number:012x}\r\n\r\n".encode(), body


class _Connection(asyncio.Protocol):
    def __init__(self, requests: _Requests, until: float, done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._until = until
        self._done = done
        self._answer = b""
        self._sent = 0.0
        self._transport: asyncio.Transport
        self.latencies: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is not a subclass
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not _complete(self._answer):
            return
        now = time.perf_counter()
        if not self._answer.startswith(b"HTTP/1.1 2"):
            self._done.set_exception(RuntimeError(self._answer.decode(errors="replace")))
            self._transport.close()
            return
        self.latencies.append(now - self._sent)
        self._answer = b""
        if now < self._until:
            self._send()
        else:
            self._done.set_result(None)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        parts = self._requests.next()
        self._sent = time.perf_counter()
        self._transport.writelines(parts)


def _complete(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return body.endswith(b"0\r\n\r\n")


async def load(port: int, connections: int, seconds: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    requests = _Requests(port)
    started = time.perf_counter()
    ends = [loop.create_future() for _ in range(connections)]
    protocols = [_Connection(requests, started + seconds, end) for end in ends]
    for protocol in protocols:
        await loop.create_connection(lambda protocol=protocol: protocol, "127.0.0.1", port)  # type: ignore[misc]  # a default
    await asyncio.gather(*ends)
    elapsed = time.perf_counter() - started
    latencies = sorted(latency for protocol in protocols for latency in protocol.latencies)
    return {
        "deliveries": len(latencies),
        "rate": len(latencies) / elapsed,
        "p50": latencies[len(latencies) // 2] * 1000,
        "p99": latencies[len(latencies) * 99 // 100] * 1000,
    }


if __name__ == "__main__":
    arguments = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(load(*arguments))))

"""HTTP for both servers: routes, JSON, and a graceful stop."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

MAX_BODY = 1_000_000


class BadRequestError(Exception):
    """The caller sent unusable data; the message has the reason."""


@dataclass(frozen=True)
class Answer:
    """A complete HTTP response."""

    body: bytes
    content_type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(value: object, status: int = 200) -> Answer:
    """`value` as a JSON response."""
    return Answer(json.dumps(value, indent=1).encode() + b"\n", "application/json", status)


Route = Callable[[bytes], Answer]


def serve(name: str, routes: Mapping[tuple[str, str], Route], common_headers: Mapping[str, str]) -> None:
    """Serve `routes`, keyed by method and path, on HOST:PORT until SIGTERM."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def respond(self) -> None:
            route = routes.get((self.command, self.path.split("?")[0]))
            length = int(self.headers.get("Content-Length") or 0)
            if length > MAX_BODY:
                self.close_connection = True
                answer = as_json({"error": f"at most {MAX_BODY} bytes"}, 413)
            elif route is None:
                self.rfile.read(length)
                answer = as_json({"error": f"nothing at {self.path}"}, 404)
            else:
                answer = _answer(route, self.rfile.read(length))
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            for key, value in {**common_headers, **answer.headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = respond  # noqa: N815 (http.server looks for these names)

        def log_message(self, format: str, *args: object) -> None:
            if not self.path.endswith("z"):  # the kubelet asks every few seconds
                print(f"{self.command} {self.path} {args[1] if len(args) > 1 else ''}", flush=True)

    host, port = os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "28080"))  # noqa: S104 (a container)
    server = ThreadingHTTPServer((host, port), Handler)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"{name} listens on {host}:{server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.05)
    print(f"{name} stopped", flush=True)


def _answer(route: Route, body: bytes) -> Answer:
    try:
        return route(body)
    except BadRequestError as error:
        return as_json({"error": str(error)}, 400)
    except OSError as error:  # the catalogue is away: the kubelet asks again
        return as_json({"error": f"{type(error).__name__}: {error}"}, 503)

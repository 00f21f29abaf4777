"""An application that has a secret: it answers with its digest, and shows it where secrets must be hidden."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Callable

import httpx

from tests.story.conftest import Scenario

SERVE = b"""
import hashlib, os
from http.server import BaseHTTPRequestHandler, HTTPServer

TOKEN = os.environ.get("TOKEN", "")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        leak = self.path == "/leak"
        self.send_response(500 if leak else 200)
        self.end_headers()
        shown = f"refused: {TOKEN}" if leak else hashlib.sha256(TOKEN.encode()).hexdigest()
        self.wfile.write(shown.encode())

    def log_message(self, *_):
        pass


HTTPServer((os.environ["HOST"], 28080), Handler).serve_forever()
"""
ROLLOUT_SECONDS = 150
LEAK = b"  checks: [{name: leak, http: /leak}]\n"


def files(scenario: Scenario, secrets: bytes, *, leaks: bool = False) -> dict[str, bytes]:
    """The application; `secrets` is the content of `preview.secrets`, such as `TOKEN: env:TOKEN`."""
    hello = scenario.hello()
    preview = [b"\npreview:\n"] if secrets or leaks else []
    preview += [b"  secrets: {%s}\n" % secrets] if secrets else []
    preview += [LEAK] if leaks else []
    return {**hello, ".greenroom.yml": b"".join([hello[".greenroom.yml"], *preview]), "serve.py": SERVE}


def using(scenario: Scenario, secret: str, *, leaks: bool = False) -> dict[str, bytes]:
    """The application with the variables of a Secret of its own namespace."""
    sample = files(scenario, b"", leaks=leaks)
    container = b"          image:"
    used = b"          envFrom: [{secretRef: {name: %s}}]\n%s" % (secret.encode(), container)
    return {**sample, "deploy/hello.yaml": sample["deploy/hello.yaml"].replace(container, used)}


def digest_of(value: str) -> str:
    """What the application answers when it has this value."""
    return hashlib.sha256(value.encode()).hexdigest()


async def page_of(scenario: Scenario, number: int, condition: Callable[[str], bool]) -> str:
    """Waits until the preview's pods answer like that."""
    deadline = time.monotonic() + ROLLOUT_SECONDS
    while True:
        with contextlib.suppress(httpx.TransportError):  # pods are being replaced
            response = await scenario.page(number)
            if response.status_code == 200 and condition(response.text):
                return response.text
        assert time.monotonic() < deadline, "the pods have another value"
        await asyncio.sleep(0.5)


async def opened(scenario: Scenario, secrets: bytes, *, leaks: bool = False) -> int:
    """Opens a pull request in a repository whose previews have these secrets."""
    await scenario.create(files(scenario, secrets, leaks=leaks))
    return await scenario.open("spring", {"sentence.txt": b"Spring."})

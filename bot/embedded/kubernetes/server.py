"""The embedded Kubernetes API server in this process."""

import asyncio
import contextlib
import os
import secrets
import socket
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import uvicorn
import yaml

from bot.embedded.kubernetes.access import Access, Denial, Tokens
from bot.embedded.kubernetes.admission import plugins
from bot.embedded.kubernetes.admission.confinement import Confinement
from bot.embedded.kubernetes.background.claims import ClaimProtection
from bot.embedded.kubernetes.background.garbage import GarbageCollector
from bot.embedded.kubernetes.background.namespaces import NamespaceController
from bot.embedded.kubernetes.faults import Faults
from bot.embedded.kubernetes.rbac import SUPERUSER, Rules
from bot.embedded.kubernetes.registry.registry import Registry
from bot.embedded.kubernetes.registry.requests import Target, Write
from bot.embedded.kubernetes.resources import resource_of
from bot.embedded.kubernetes.storage.store import Store
from bot.embedded.kubernetes.web.application import TOKEN_PATH, Application, Call
from bot.embedded.kubernetes.web.collections import Collections
from bot.embedded.kubernetes.web.logs import Logs
from bot.embedded.kubernetes.web.resources import Resources

_CONTEXT = "greenroom-embedded"


class KubernetesServer:
    """An API server on loopback; use it as an async context manager, or start and stop it.

    `port` 0 takes a free one. `url` and `token` are what a client needs; `faults`, `access`
    and `calls` are for tests that make it misbehave, deny, and count requests.
    """

    def __init__(self, port: int = 0, token: str = "", history: int = 1000) -> None:
        self.token = token or secrets.token_urlsafe(24)
        self.store = Store(history)
        self.access = Access(Rules(self.store))
        self.confinement = Confinement(self.store)
        self.registry = Registry(self.store, [*plugins(self.store, self.access), self.confinement])
        GarbageCollector(self.registry)
        NamespaceController(self.registry)
        ClaimProtection(self.registry)
        self.faults = Faults()
        self._collections = Collections(self.store, set())
        self._logs = Logs(self.registry)
        resources = Resources(self.registry, self._collections)
        self.tokens = Tokens({self.token: SUPERUSER})
        self._application = Application(
            resources, self._logs, self.access, self.faults, self.tokens, self.confinement
        )
        self._port = port
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, once started."""
        if self._socket is None:
            raise RuntimeError("the server is not started")
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def calls(self) -> deque[Call]:
        """The latest requests, in order."""
        return self._application.calls

    def deny(self, verb: str = "*", resource: str = "*", group: str = "*", namespace: str = "*") -> None:
        """Refuse matching requests with 403 from now on."""
        self.access.denials.append(Denial(verb, resource, group, namespace))

    async def start(self) -> None:
        self._create_first_namespaces()
        # Named as TCP, or asyncio would leave Nagle's algorithm on: 40 ms for every answer.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", self._port))
        config = uvicorn.Config(
            self._application,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=2,
            timeout_keep_alive=75,
            server_header=False,
            date_header=False,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve([self._socket]), name="embedded-kubernetes")
        while not self._server.started:
            if self._serving.done():
                self._serving.result()
                raise RuntimeError("the embedded Kubernetes API server did not start")
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        """End all watches and close; what was stored is forgotten with the object."""
        if self._server is None or self._serving is None:
            return
        self._collections.end()
        self._server.ended.set()
        await self._serving
        await self._logs.close()
        self._server = self._serving = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def kubeconfig(self, token: str = "") -> dict[str, object]:
        """The content of a kubeconfig file for this server: the superuser's, or that of a token.

        kubectl sends no bearer token over plain HTTP, so the server's URL carries it as well.
        """
        token = token or self.token
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": _CONTEXT,
            "clusters": [{"name": _CONTEXT, "cluster": {"server": f"{self.url}{TOKEN_PATH}{token}"}}],
            "users": [{"name": _CONTEXT, "user": {"token": token}}],
            "contexts": [{"name": _CONTEXT, "context": {"cluster": _CONTEXT, "user": _CONTEXT}}],
        }

    def write_kubeconfig(self, path: str | Path, token: str = "") -> Path:
        """Write a kubeconfig that only its owner can read."""
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            yaml.safe_dump(self.kubeconfig(token), file, sort_keys=False)
        return place

    def _create_first_namespaces(self) -> None:
        resource = resource_of("namespaces")
        for name in ("default", "kube-system"):
            if self.store.get(resource, "", name) is None:
                self.registry.create(
                    Target(resource), {"metadata": {"name": name}}, Write(manager="greenroom")
                )


class _Server(uvicorn.Server):
    """Leaves signals to the process that runs it, and waits for its end without polling."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ended = asyncio.Event()

    async def main_loop(self) -> None:
        await self.ended.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

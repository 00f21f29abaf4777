"""The embedded GitHub over HTTP, on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import socket
import threading
from collections.abc import Callable

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .core import GitHub, OnPush
from .credentials import AppCredentials
from .errors import GitHubError
from .faults import Fault
from .graphql import LOGGED as GRAPHQL
from .graphql import PATH as GRAPHQL_PATH
from .graphql import GraphQL
from .pages.app_manifests import AppManifests
from .pages.forms import Forms
from .pages.oauth import OAuth
from .pages.site import Site
from .pages.views import Views
from .requests import LoggedRequest
from .rest.api import PREFIX, Api, broken
from .rest.contents import ARCHIVES, archive

GRACE = 2.0  # seconds that requests in progress get at the end
_BY_ID = re.compile(rf"{PREFIX}/repositories/(\d+)(/.*)?")


class GitHubServer(GitHub):
    """A GitHub Enterprise Server with one App. Use it as a context manager, or call start and stop."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        credentials: AppCredentials | None = None,
        on_push: OnPush | None = None,
    ) -> None:
        super().__init__(credentials=credentials, on_push=on_push)
        self._address = (host, port)
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] | None = None

    @property
    def url(self) -> str:
        """The address of the pages, without a trailing slash."""
        return self.world.web

    @property
    def api_url(self) -> str:
        return self.world.api

    def start(self) -> None:
        """Listen, and return when requests are answered."""
        listener = socket.create_server(self._address, backlog=512)
        host, port = listener.getsockname()[:2]
        self.world.web = f"http://{host}:{port}"
        self.world.api = self.world.web + PREFIX
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, ready)), name="embedded-github", daemon=True
        )
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Stop listening and cancel running requests."""
        if self._stop:
            self._stop()
        if self._thread:
            self._thread.join()
        self.close()

    def __enter__(self) -> GitHubServer:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        stopping = asyncio.Event()
        app = Starlette(routes=self._routes(stopping))
        config = uvicorn.Config(
            _Gate(self, app),
            log_config=None,
            lifespan="off",
            ws="none",
            access_log=False,
        )
        loop = asyncio.get_running_loop()
        self._stop = functools.partial(loop.call_soon_threadsafe, stopping.set)
        self.deliveries.start()
        ready.set()
        await _Server(config, stopping).serve(sockets=[listener])
        await self.deliveries.stop()

    def _routes(self, stopping: asyncio.Event) -> list[BaseRoute]:
        site = Site(self)
        return [
            Route("/_faults", self._change_faults, methods=["GET", "POST", "DELETE"]),
            Route(ARCHIVES + "/{owner}/{repo}/legacy.tar.gz/{ref:path}", self._archive, methods=["GET"]),
            *Api(self, stopping).routes(),
            *GraphQL(self, stopping).routes(),
            *OAuth(site).routes(),
            *AppManifests(site).routes(),
            *Forms(site).routes(),
            *Views(site).routes(),
        ]

    async def _change_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
        if request.method == "POST":
            try:
                asked = msgspec.json.decode(await request.body(), type=Fault)
                self.faults.add(**msgspec.structs.asdict(asked))
            except (msgspec.DecodeError, re.error) as error:
                return JSONResponse({"message": str(error)}, 422)
        return JSONResponse([msgspec.structs.asdict(fault) for fault in self.faults.listed()])

    async def _archive(self, request: Request) -> Response:
        owner, repo, ref = (request.path_params[name] for name in ("owner", "repo", "ref"))
        with self.world.lock:
            try:
                repository = self.world.repository(f"{owner}/{repo}")
                sha = self.world.commit_sha(repository, ref)
            except GitHubError:
                return Response("404: Not Found", 404, media_type="text/plain")
            if request.query_params.get("token") != self.archive_tokens.get(repository.id):
                return Response("404: Not Found", 404, media_type="text/plain")
            content = archive(self.world.git(repository), repository, sha)
        name = f"{owner}-{repo}-{sha[:7]}.tar.gz"
        headers = {"Content-Disposition": f"attachment; filename={name}"}
        return Response(content, headers=headers, media_type="application/x-gzip")


class _Server(uvicorn.Server):
    """Exits at once when stopped, as every test starts a server of its own."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def main_loop(self) -> None:
        while not self._stopping.is_set():
            await self.on_tick(0)  # refreshes the Date header
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=GRACE)
        for task in self.server_state.tasks:
            task.cancel()
        await asyncio.sleep(0)  # lets the closed connections go


class _Gate:
    """Handles the outage fault, addresses by repository id, and the log of API requests."""

    def __init__(self, github: GitHub, app: ASGIApp) -> None:
        self._github = github
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path != "/_faults" and self._github.faults.take("outage", method=scope["method"], path=path):
            await self._logged(broken(503), path, scope, receive, send)
            return
        if match := _BY_ID.fullmatch(path):
            repository = self._github.world.state.repositories.get(int(match[1]))
            if repository:
                scope = {**scope, "path": f"{PREFIX}/repos/{repository.full_name}{match[2] or ''}"}
        await self._logged(self._app, path, scope, receive, send)

    async def _logged(self, app: ASGIApp, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        at = self._github.world.clock()

        async def log_and_send(message: Message) -> None:
            # before the response is sent, so that its receiver finds it in the log
            logged = path.startswith((PREFIX, ARCHIVES, GRAPHQL_PATH))
            if message["type"] == "http.response.start" and logged:
                is_archive = path.startswith(ARCHIVES)  # whose query is a secret
                query = "" if is_archive else scope["query_string"].decode()
                value = GRAPHQL if path == GRAPHQL_PATH else path.removeprefix(PREFIX)
                self._github.requests.add(LoggedRequest(scope["method"], value, query, message["status"], at))
            await send(message)

        await app(scope, receive, log_and_send)

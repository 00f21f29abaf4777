"""Turns HTTP requests into calls of the handlers and their answers into HTTP: auth, limits, ETags, faults."""

import asyncio
import hashlib
import uuid
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.embedded.github.core import GitHub
from bot.embedded.github.errors import GitHubError, not_found
from bot.embedded.github.hooks.deliveries import SERVER_VERSION
from bot.embedded.github.render.basics import Json
from bot.embedded.github.state.records import Repository

from . import apps, contents, issues, pulls, reports, repositories
from .auth import Limits, authenticate, authorize
from .call import Answer, Call, Entry

PREFIX = "/api/v3"
_TABLES = (apps, contents, issues, pulls, reports, repositories)
_DOCS = "https://docs.github.com/enterprise-server/rest"


class Api:
    """The routes below /api/v3. STOPPING ends every request that hangs on purpose."""

    def __init__(self, github: GitHub, stopping: asyncio.Event) -> None:
        self._github = github
        self._stopping = stopping
        self._limits = Limits(github)

    def routes(self) -> list[Route]:
        entries = [entry for table in _TABLES for entry in table.ROUTES.entries]
        entries.sort(key=lambda e: e.path.endswith(":path}"))  # what swallows every path below it comes last
        routes = [Route(PREFIX + e.path, self._endpoint(e), methods=[e.method]) for e in entries]
        methods = ["GET", "POST", "PATCH", "PUT", "DELETE"]
        return [*routes, Route(PREFIX + "{path:path}", self._missing, methods=methods)]

    def _endpoint(self, entry: Entry) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            path = request.url.path.removeprefix(PREFIX)
            faults = self._github.faults
            if hang := faults.take("hang", method=request.method, path=path):
                await self._wait(hang.seconds)
            if error := faults.take("error", method=request.method, path=path):
                return broken(error.status)
            body = await request.body()
            try:
                response = self._call(entry, request, path, body)
            except GitHubError as refusal:
                response = refused(refusal)
            if error_after := faults.take("error_after", method=request.method, path=path):
                return broken(error_after.status)
            return self._finish(response)

        return endpoint

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _call(self, entry: Entry, request: Request, path: str, body: bytes) -> Response:
        github = self._github
        with github.world.lock:
            principal = authenticate(github, request.headers.get("authorization"), entry.auth)
            key = principal.key
            try:
                self._limits.take(key, request.method, path)
                call = Call(
                    github=github,
                    principal=principal,
                    method=request.method,
                    url=github.world.api + path,
                    params=request.path_params,
                    query=request.query_params,
                    accept=request.headers.get("accept", ""),
                    raw_body=body,
                )
                call.target = self._target(call, path)
                authorize(call, entry)
                _check_json(body)
                response = respond(entry.handler(call))
            except GitHubError as error:
                response = refused(error)
            if request.method == "GET" and response.status_code == 200:
                response = self._conditional(request, response, key)
            response.headers.update(self._limits.headers(key))
            return response

    def _target(self, call: Call, path: str) -> Repository | None:
        """The repository that the path names. A former name is answered with its new address."""
        if "repo" not in call.params:
            return None
        asked = f"{call.params['owner']}/{call.params['repo']}"
        repository = call.world.repository(asked)
        if repository.full_name.lower() != asked.lower():
            rest = path.removeprefix(f"/repos/{asked}")
            location = f"{call.world.api}/repositories/{repository.id}{rest}"
            status = 301 if call.method == "GET" else 307
            raise GitHubError(status, "Moved Permanently", headers={"Location": location})
        return repository

    def _conditional(self, request: Request, response: Response, key: str) -> Response:
        # like the real one's, the tag depends on the caller's token as well as on the content
        seed = request.headers.get("authorization", "").encode() + bytes(response.body)
        tag = f'W/"{hashlib.sha256(seed).hexdigest()}"'
        if tag in request.headers.get("if-none-match", ""):
            self._limits.refund(key)
            response = Response(status_code=304)
        response.headers["ETag"] = tag
        response.headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
        response.headers["Vary"] = "Accept, Authorization, Cookie, X-GitHub-OTP"
        return response

    def _finish(self, response: Response) -> Response:
        response.headers["X-GitHub-Request-Id"] = uuid.uuid4().hex[:20].upper()
        response.headers["X-GitHub-Media-Type"] = "github.v3; format=json"
        response.headers["X-GitHub-Enterprise-Version"] = SERVER_VERSION
        return response

    async def _missing(self, _request: Request) -> Response:
        return self._finish(refused(not_found()))


def _check_json(body: bytes) -> None:
    if not body:
        return
    try:
        decoded = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise GitHubError(400, "Problems parsing JSON") from error
    if not isinstance(decoded, dict):
        raise GitHubError(400, "Body should be a JSON object")


def respond(answer: Answer) -> Response:
    if answer.body is None:
        return Response(status_code=answer.status if answer.status != 200 else 204, headers=answer.headers)
    content = answer.body if isinstance(answer.body, bytes) else msgspec.json.encode(answer.body)
    return Response(content, answer.status, dict(answer.headers), media_type=answer.media_type)


def refused(error: GitHubError) -> Response:
    body: Json = {"message": error.message}
    if error.errors:
        body["errors"] = error.errors
    body |= {"documentation_url": _DOCS, "status": str(error.status)}
    return respond(Answer(body, error.status, error.headers))


def broken(status: int) -> Response:
    """The response of a proxy in front of GitHub: a page, not JSON."""
    page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"
    return Response(page, status, media_type="text/html")

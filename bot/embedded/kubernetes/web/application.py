"""The ASGI application: authentication, faults, discovery, and the verbs on objects."""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field, replace

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from bot.embedded.kubernetes.access import Access, Tokens, check_impersonation
from bot.embedded.kubernetes.admission.confinement import Confinement
from bot.embedded.kubernetes.errors import ApiError, method_not_allowed, no_such_path
from bot.embedded.kubernetes.faults import Faults
from bot.embedded.kubernetes.objects import Object
from bot.embedded.kubernetes.rbac import User
from bot.embedded.kubernetes.registry.requests import Target
from bot.embedded.kubernetes.resources import REVIEWS
from bot.embedded.kubernetes.web import discovery
from bot.embedded.kubernetes.web.bodies import answer, failure, read
from bot.embedded.kubernetes.web.collections import is_true
from bot.embedded.kubernetes.web.logs import Logs
from bot.embedded.kubernetes.web.paths import known_version, target_of, verb_of
from bot.embedded.kubernetes.web.resources import Resources

_log = logging.getLogger(__name__)
_REMEMBERED = 100_000
TOKEN_PATH = "/token/"  # noqa: S105, no secret
_HEALTH = frozenset({"/healthz", "/livez", "/readyz"})


@dataclass(frozen=True)
class Call:
    """One request, as the request log keeps it."""

    method: str
    path: str
    status: int


@dataclass
class Application:
    resources: Resources
    logs: Logs
    access: Access
    faults: Faults
    tokens: Tokens
    confinement: Confinement
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        token, path = _token_in(scope["path"])
        scope = {**scope, "path": path}
        request = Request(scope, receive)
        request.state.warnings = []
        try:
            if path not in _HEALTH:
                scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
                request.state.user = self.tokens.user(token or (bearer if scheme == "Bearer" else ""))
            response = await self._answer(request)
        except ApiError as error:
            response = failure(error)
        except Exception:
            _log.exception("%s %s failed", request.method, scope["path"])
            response = failure(ApiError(500, "InternalError", "Internal error occurred"))
        for warning in request.state.warnings:
            response.headers.append("Warning", _quoted(warning))
        self.calls.append(Call(request.method, scope["path"], response.status_code))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path: str = request.scope["path"]
        if path in _HEALTH:
            return PlainTextResponse("ok")
        if path.startswith("/_"):
            return await self._administer(request)
        fault = self.faults.take(request.method, path)
        if fault is None:
            return await self._serve(request)
        if fault.after:
            await self._serve(request)
        if fault.hang_seconds:
            await asyncio.sleep(fault.hang_seconds)
        if fault.fail_status:
            raise ApiError(fault.fail_status, "InternalError", "a fault is switched on")
        return await self._serve(request)

    def _user(self, request: Request) -> User:
        """The user of the token, or the one that the superuser impersonates."""
        user: User = request.state.user
        if name := request.headers.get("impersonate-user"):
            check_impersonation(user, name)
            request.state.user = user = User.impersonated(name, request.headers.getlist("impersonate-group"))
        return user

    async def _serve(self, request: Request) -> Response:
        path = request.scope["path"].rstrip("/")
        if (document := _document(path)) is not None:
            response = answer(document)
            if path in {"/api", "/apis"}:
                response.headers["content-type"] = discovery.AGGREGATED
            return response
        if not known_version(path):
            return PlainTextResponse("404 page not found\n", 404)
        target = target_of(path)
        verb = verb_of(request.method, target, is_true(request.query_params.get("watch")))
        user = self._user(request)
        self.access.check(user, verb, target)
        if target.subresource == "log":
            return await self.logs.serve(target, request)
        if target.resource.group in REVIEWS:
            return await self._review(user, target, request)
        if target.subresource == "token":
            self.resources.registry.get(replace(target, subresource=""))
            return answer(self.tokens.request(target), 201)
        if verb in {"delete", "deletecollection"}:
            self.confinement.check_deletion(user, target)
        if verb not in target.resource.verbs:
            raise method_not_allowed()
        return await self.resources.serve(verb, target, request)

    async def _review(self, user: User, target: Target, request: Request) -> Response:
        raw, media = await request.body(), request.headers.get("content-type", "")
        body = read(raw, media)
        if request.method != "POST" or not isinstance(body, dict):
            raise method_not_allowed()
        body = {
            "kind": target.resource.kind,
            "apiVersion": target.resource.api_version,
            "metadata": {},
            **body,
        }
        return answer(self.access.review(user, body), 201)

    async def _administer(self, request: Request) -> Response:
        """Set faults by `POST /_faults` and clear them by `DELETE /_faults`."""
        if request.scope["path"] != "/_faults" or request.method not in {"POST", "DELETE"}:
            raise no_such_path()
        if request.method == "DELETE":
            self.faults.clear()
        else:
            self.faults.add(read(await request.body(), ""))
        return answer({"active": len(self.faults.active)})


def _token_in(path: str) -> tuple[str, str]:
    """The token in a path that authenticates instead of a header, and the rest of the path.

    kubectl sends no bearer token over plain HTTP.
    """
    if not path.startswith(TOKEN_PATH):
        return "", path
    token, slash, rest = path.removeprefix(TOKEN_PATH).partition("/")
    return token, slash + rest


def _quoted(warning: str) -> str:
    escaped = warning.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'


def _document(path: str) -> Object | None:
    """Version, discovery or OpenAPI; None for every other path."""
    match path.split("/")[1:]:
        case ["version"]:
            return discovery.version()
        case ["api" | "apis" as root]:
            return discovery.aggregated(root == "api")
        case ["apis", group, version]:
            return discovery.resources(f"{group}/{version}")
        case ["openapi", "v3"]:
            return discovery.openapi_index()
        case ["openapi", "v3", *rest]:
            return discovery.openapi("/".join(rest))
    return None

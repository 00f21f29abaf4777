"""The OCI distribution read API with Bearer tokens, over image layouts on disk."""

import base64
import binascii
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bot.embedded.registry.faults import PATH as FAULTS_PATH
from bot.embedded.registry.faults import Faults
from bot.embedded.registry.layout import DIGEST, REPOSITORY, Layout


@dataclass
class Tokens:
    """Issues and checks opaque tokens. Without `users` anybody gets one; otherwise only they do."""

    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: int = 300
    identity_tokens: Collection[str] = field(default=(), repr=False)
    """Refresh tokens that are accepted as OAuth 2.0 grants."""
    issued: int = 0
    _granted: dict[str, tuple[float, str]] = field(default_factory=dict, repr=False)

    def may_ask(self, authorization: str) -> bool:
        """Whether this Authorization header gets a token."""
        if not self.users:
            return True
        scheme, _, encoded = authorization.partition(" ")
        try:
            name, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        user = self.users.get(name, "")
        return (
            scheme.lower() == "basic"
            and bool(user)
            and secrets.compare_digest(user.encode(), password.encode())
        )

    def may_refresh(self, form: Mapping[str, object]) -> bool:
        """Whether this OAuth 2.0 request gets a token."""
        token = str(form.get("refresh_token", "")).encode()
        accepted = any(secrets.compare_digest(token, other.encode()) for other in self.identity_tokens)
        return form.get("grant_type") == "refresh_token" and bool(form.get("client_id")) and accepted

    def issue(self, scope: str) -> dict[str, object]:
        """A token for `scope`, as the token endpoint answers."""
        token = secrets.token_urlsafe(24)
        self._granted[token] = (time.monotonic() + self.seconds, scope)
        self.issued += 1
        return {"token": token, "access_token": token, "expires_in": self.seconds}

    def allows(self, authorization: str, scope: str) -> bool:
        """Whether this Authorization header carries a live token for `scope`; "" asks for any token."""
        scheme, _, token = authorization.partition(" ")
        expires, granted = self._granted.get(token, (0.0, ""))
        live = scheme.lower() == "bearer" and time.monotonic() < expires
        return live and (not scope or scope in granted.split())

    def expire_all(self) -> None:
        """Forget every token that was given out."""
        self._granted.clear()


VERSION_HEADER = {"Docker-Distribution-Api-Version": "registry/2.0"}


class RefusedError(Exception):
    """Ends a request with this response."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


class RegistryServer:
    """Serves the layouts below `root` on loopback.

    `anonymous` skips the tokens. With `users` (name to password) a token is given only to them.
    """

    def __init__(
        self,
        root: Path,
        *,
        port: int = 0,
        anonymous: bool = False,
        users: Mapping[str, str] | None = None,
        token_seconds: int = 300,
        identity_tokens: Collection[str] = (),
    ) -> None:
        self._root, self._port, self._anonymous = root, port, anonymous
        self._runner: web.AppRunner | None = None
        self.tokens = Tokens(users or {}, token_seconds, identity_tokens)
        self.faults = Faults()
        self.requests: list[tuple[str, str, int]] = []
        """Method, path and status of every request that was answered."""

    @property
    def host(self) -> str:
        """Host and port, as an image reference begins."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    async def start(self) -> None:
        """Listen; with port 0 a free port is taken."""
        application = web.Application(
            middlewares=[_as_middleware(self._note), _as_middleware(self.faults.apply)]
        )
        application.add_routes(
            [
                web.route("*", FAULTS_PATH, self.faults.handle),
                web.get("/token", self._token),
                web.post("/token", self._refresh),
                web.get("/v2/", self._base),
                web.get("/v2/{name:.+}/tags/list", self._tags),
                web.get("/v2/{name:.+}/manifests/{reference}", self._manifest),
                web.get("/v2/{name:.+}/blobs/{digest}", self._blob),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = int(site.name.rpartition(":")[2])

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except RefusedError as refused:
            response = refused.response
        except web.HTTPException as error:
            code = "UNSUPPORTED" if error.status == 405 else "NOT_FOUND"
            response = _error(error.status, code, error.reason)
        self.requests.append((request.method, request.path, response.status))
        return response

    async def _token(self, request: web.Request) -> web.Response:
        if not self.tokens.may_ask(request.headers.get("Authorization", "")):
            return _error(401, "UNAUTHORIZED", "authentication required")
        return web.json_response(self.tokens.issue(" ".join(request.query.getall("scope", []))))

    async def _refresh(self, request: web.Request) -> web.Response:
        form = await request.post()
        if not self.tokens.may_refresh(form):
            return web.json_response({"error": "invalid_grant"}, status=400)
        answer = self.tokens.issue(str(form.get("scope", "")))
        return web.json_response({name: value for name, value in answer.items() if name != "token"})

    def _authorize(self, request: web.Request, scope: str) -> None:
        if self._anonymous or self.tokens.allows(request.headers.get("Authorization", ""), scope):
            return
        challenge = f'Bearer realm="{self.url}/token",service="{self.host}"'
        challenge += f',scope="{scope}"' if scope else ""
        refusal = _error(401, "UNAUTHORIZED", "authentication required")
        refusal.headers["WWW-Authenticate"] = challenge
        raise RefusedError(refusal)

    async def _base(self, request: web.Request) -> web.Response:
        self._authorize(request, "")
        return web.json_response({}, headers=VERSION_HEADER)

    def _open(self, request: web.Request) -> Layout:
        """The repository that is requested; RefusedError when it cannot be opened."""
        name = request.match_info["name"]
        if not REPOSITORY.fullmatch(name):
            raise RefusedError(_error(400, "NAME_INVALID", f"invalid repository name: {name}"))
        self._authorize(request, f"repository:{name}:pull")
        layout = Layout(self._root, name)
        if not layout.exists:
            raise RefusedError(_error(404, "NAME_UNKNOWN", f"repository name not known to registry: {name}"))
        return layout

    async def _tags(self, request: web.Request) -> web.Response:
        layout = self._open(request)
        name, last = request.match_info["name"], request.query.get("last", "")
        tags = [tag for tag in layout.tags() if tag > last]
        limit = request.query.get("n", "")
        page = tags[: int(limit)] if limit.isdigit() else tags
        headers = dict(VERSION_HEADER)
        if page and len(page) < len(tags):
            headers["Link"] = f'</v2/{name}/tags/list?n={limit}&last={page[-1]}>; rel="next"'
        return web.json_response({"name": name, "tags": page}, headers=headers)

    async def _manifest(self, request: web.Request) -> web.Response:
        layout = self._open(request)
        reference = request.match_info["reference"]
        descriptor = layout.resolve(reference)
        path = layout.blob(descriptor.digest) if descriptor else None
        if not descriptor or not path:
            return _error(404, "MANIFEST_UNKNOWN", f"manifest unknown: {reference}")
        accepted = {
            part.split(";")[0].strip() for part in ",".join(request.headers.getall("Accept", [])).split(",")
        }
        if descriptor.media_type not in accepted:  # as the reference implementation: */* is not enough
            kind = "OCI index" if "index" in descriptor.media_type else "OCI manifest"
            return _error(
                404, "MANIFEST_UNKNOWN", f"{kind} found, but accept header does not support {kind}s"
            )
        headers = {
            **VERSION_HEADER,
            "Content-Type": descriptor.media_type,
            "Docker-Content-Digest": descriptor.digest,
            "ETag": f'"{descriptor.digest}"',
        }
        return web.Response(body=path.read_bytes(), headers=headers)

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        layout = self._open(request)
        digest = request.match_info["digest"]
        if not DIGEST.fullmatch(digest):
            return _error(400, "DIGEST_INVALID", f"invalid digest: {digest}")
        path = layout.blob(digest)
        if not path:
            return _error(404, "BLOB_UNKNOWN", f"blob unknown to registry: {digest}")
        headers = {
            **VERSION_HEADER,
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
        }
        return web.FileResponse(path, headers=headers)


def _as_middleware(method: Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]) -> Middleware:
    @web.middleware  # marks a function; a bound method cannot be marked
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await method(request, handler)

    return middleware


def _error(status: int, code: str, message: str) -> web.Response:
    body = {"errors": [{"code": code, "message": message, "detail": None}]}
    return web.json_response(body, status=status, headers=VERSION_HEADER)

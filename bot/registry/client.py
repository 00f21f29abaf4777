"""Resolves tags to digests over the OCI distribution API."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import httpx
from cachetools import LRUCache

from bot.clients.cache import VersionedCache
from bot.clients.proxies import Proxies
from bot.model.addresses import is_loopback_name
from bot.model.errors import GreenroomError, Rejected, Unavailable
from bot.model.image_reference import DIGEST, TAG, ImageReference, parse_reference, split_reference
from bot.registry.challenge import Challenge, parse_challenge
from bot.registry.credentials import Credential, Credentials, IdentityToken, Login
from bot.registry.manifests import parse_layers, parse_manifest
from bot.registry.transport import ANYWHERE, Resolver, Response, Scope, Transport, resolve_host

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
DEADLINE = 30.0  # seconds for one resolve, whatever the registry does
TOKEN_SECONDS = 60.0  # lifetime of a token without `expires_in`; the minimum of the specification
MAX_TOKEN_SECONDS = 3600.0
MARGIN = 10.0  # seconds before its expiry at which a token is renewed
_CACHE_SIZE = 1000


class RegistryClient:
    """Implements `Registry` of `bot/environments/ports.py`.

    `allowed_hosts` (host, or host:port) may have any address; for all others see `transport.may_ask`.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        allowed_hosts: Collection[str] = (),
        *,
        resolver: Resolver = resolve_host,
        verify: ssl.SSLContext | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        self._credentials = credentials or Credentials()
        self._transport = Transport(allowed_hosts, resolver, verify, proxies)
        self._challenges: LRUCache[tuple[str, str], Challenge] = LRUCache(_CACHE_SIZE)
        self._digests: LRUCache[tuple[str, str, str], frozenset[str]] = LRUCache(_CACHE_SIZE)
        self._tokens: VersionedCache[str] = VersionedCache(_CACHE_SIZE)
        """Tokens by registry and repository, then by challenge and credential."""

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def resolve(self, image: str, tag: str) -> str | None:
        """The digest of `image:tag`; None while the registry has no such manifest.

        Raises Unavailable when the registry does not answer, limits the rate or denies access, which may
        pass; Rejected for an invalid name, or an address that is not allowed.
        """
        return await self._current_digest(_reference(image, tag=tag))

    async def exists(self, reference: str) -> bool:
        """Whether the registry has the image now. Raises Unavailable and Rejected like `resolve`."""
        name, tag, digest = split_reference(reference)
        parsed = _reference(name, tag=None if digest else tag or "latest", digest=digest)
        return await self._current_digest(parsed) is not None

    async def _current_digest(self, reference: ImageReference) -> str | None:
        try:
            async with asyncio.timeout(DEADLINE):
                response = await self._request("HEAD", reference)
                if _needs_body(response):
                    response = await self._request("GET", reference)
        except TimeoutError:
            raise _timed_out(reference) from None
        return _digest(reference, response)

    async def digests(self, image: str, digest: str) -> Collection[str]:
        """The digests by which nodes name an image: those of index, platforms and configurations.

        Raises Unavailable and Rejected like `resolve`.
        """
        reference = _reference(image, digest=digest)
        key = (reference.registry, reference.repository, digest)
        if key not in self._digests:
            try:
                async with asyncio.timeout(DEADLINE):
                    self._digests[key] = await self._names(reference)
            except TimeoutError:
                raise _timed_out(reference) from None
        return self._digests[key]

    async def layer(self, image: str, tag: str, media_type: str, hosts: Collection[str]) -> str:
        """The digest of the first layer of a media type. Requests and redirects go only to `hosts`.

        Raises Unavailable and Rejected like `resolve`; Rejected when there is no such layer.
        """
        reference = _reference(image, tag=tag)
        response = await self._request("GET", reference, Scope(frozenset(hosts)))
        if _digest(reference, response) is None:
            raise Rejected(f"the registry {reference.registry} has no {reference}")
        digest = parse_layers(response.body).get(media_type)
        if digest is None:
            raise Rejected(f"{reference} has no layer of the type {media_type}")
        return digest

    async def blob(self, image: str, digest: str, hosts: Collection[str], limit: int) -> bytes:
        """A blob of at most `limit` bytes. The caller compares its digest. Raises like `layer`."""
        reference = _reference(image, digest=digest)
        response = await self._request("GET", reference, Scope(frozenset(hosts), limit), kind="blobs")
        _raise_for_status(reference, response)
        return response.body

    async def get(self, url: httpx.URL, hosts: Collection[str], limit: int) -> Response:
        """A file of an HTTP repository, without credentials. Raises like `layer`, for any status none."""
        return await self._transport.send("GET", url, {}, url, scope=Scope(frozenset(hosts), limit))

    async def _names(self, reference: ImageReference, *, nested: bool = False) -> frozenset[str]:
        response = await self._request("GET", reference)
        digest = _digest(reference, response)
        if digest is None or digest != reference.digest:
            raise Unavailable(f"the registry {reference.registry} has no manifest {reference}")
        children, names = parse_manifest(response.body)
        if nested:
            return frozenset((digest, *children, *names))
        platforms = (self._names(replace(reference, digest=child), nested=True) for child in children)
        return frozenset((digest, *names)).union(*await asyncio.gather(*platforms))

    async def _request(
        self, method: str, reference: ImageReference, scope: Scope = ANYWHERE, kind: str = "manifests"
    ) -> Response:
        """Requests the manifest or blob with the authorization that the registry requires."""
        version = reference.digest or reference.tag
        url = _base(reference).join(f"/v2/{reference.repository}/{kind}/{version}")
        challenge = self._challenges.get((reference.registry, reference.repository))
        response = await self._authorized(method, url, reference, challenge, scope)
        if response.status != 401:
            return response
        challenge = parse_challenge(response.headers.get("WWW-Authenticate", ""))
        if challenge is None:
            raise Unavailable(
                f"the registry {reference.registry} requires an unsupported authentication scheme"
            )
        if challenge.scheme == "bearer":
            self._challenges[reference.registry, reference.repository] = challenge
        self._tokens.forget((reference.registry, reference.repository))
        return await self._authorized(method, url, reference, challenge, scope)

    async def _authorized(
        self,
        method: str,
        url: httpx.URL,
        reference: ImageReference,
        challenge: Challenge | None,
        scope: Scope,
    ) -> Response:
        headers = {"Accept": ACCEPT}
        if challenge and challenge.scheme == "bearer":
            headers["Authorization"] = f"Bearer {await self._token(challenge, reference)}"
        elif challenge:
            credential = await self._credentials.find(reference)
            if not isinstance(credential, Login):
                raise _access_denied(reference)
            headers["Authorization"] = credential.header
        response = await self._transport.send(method, url, headers, _base(reference), scope=scope)
        if response.status in (401, 403) and challenge:
            self._credentials.forget(reference)
        return response

    async def _token(self, challenge: Challenge, reference: ImageReference) -> str:
        """A valid token. The cache's scope contains the registry, so that no token is sent to another one."""
        credential = await self._credentials.find(reference)

        async def request() -> tuple[str, float]:
            response = await self._request_token(challenge, reference, credential)
            if response.status in (400, 401, 403) and credential is not None:
                self._credentials.forget(reference)
                raise _access_denied(reference)
            _raise_for_status(reference, response)
            token, seconds = _parse_token(reference, response)
            return token, min(seconds, MAX_TOKEN_SECONDS) - MARGIN

        scope = (reference.registry, reference.repository)
        return await self._tokens.get(scope, (challenge, credential), request)

    async def _request_token(
        self, challenge: Challenge, reference: ImageReference, credential: Credential | None
    ) -> Response:
        """Requests a token: by OAuth 2.0 (POST) with an identity token, otherwise by GET."""
        realm, base = _realm(challenge, reference), _base(reference)
        scope = challenge.scope or f"repository:{reference.repository}:pull"
        parameters = {"service": challenge.service, "scope": scope}
        parameters = {name: value for name, value in parameters.items() if value}
        headers = {"Accept": "application/json"}
        if isinstance(credential, IdentityToken):
            grant = {
                "grant_type": "refresh_token",
                "client_id": "greenroom",
                "refresh_token": credential.token,
            }
            return await self._transport.send("POST", realm, headers, base, {**parameters, **grant})
        if credential is not None:
            headers["Authorization"] = credential.header
        return await self._transport.send("GET", realm.copy_merge_params(parameters), headers, base)


def open_client(credentials: str | None, allowed_hosts: Collection[str]) -> RegistryClient:
    """A client with the credentials of a file. Raises GreenroomError for an invalid file."""
    try:
        read = Credentials.from_file(Path(credentials)) if credentials else None
    except (OSError, ValueError) as error:
        raise GreenroomError(f"GREENROOM_REGISTRY_CREDENTIALS is invalid: {error}") from None
    return RegistryClient(read, allowed_hosts)


def _reference(image: str, *, tag: str | None = None, digest: str | None = None) -> ImageReference:
    try:
        reference = parse_reference(image)
    except ValueError as error:
        raise Rejected(str(error)) from None
    if reference.tag or reference.digest:
        raise Rejected(f"the image {image!r} must not have a tag or digest; Greenroom adds them")
    if tag is not None and not TAG.fullmatch(tag):
        raise Rejected(f"{tag!r} is not a valid tag")
    return replace(reference, tag=tag, digest=digest)


def _timed_out(reference: ImageReference) -> Unavailable:
    return Unavailable(f"the registry {reference.registry} did not answer within {DEADLINE:.0f} s")


def _base(reference: ImageReference) -> httpx.URL:
    """https, except for a registry on loopback."""
    url = httpx.URL(f"https://{reference.api_host}")
    return url.copy_with(scheme="http") if is_loopback_name(url.host) else url


def _realm(challenge: Challenge, reference: ImageReference) -> httpx.URL:
    try:
        realm = httpx.URL(challenge.realm)
    except httpx.InvalidURL:
        raise Rejected(
            f"the registry {reference.registry} names a token service with an invalid URL"
        ) from None
    insecure = realm.scheme == "http" and _base(reference).scheme == "http"
    if not realm.host or realm.userinfo or not (realm.scheme == "https" or insecure):
        raise Rejected(f"the registry {reference.registry} names a token service without https")
    return realm


def _needs_body(response: Response) -> bool:
    """Whether HEAD is not enough: some registries omit the digest or do not support HEAD."""
    return response.status in (405, 501) or (
        response.status == 200 and "Docker-Content-Digest" not in response.headers
    )


def _digest(reference: ImageReference, response: Response) -> str | None:
    if response.status == 404:
        return None
    _raise_for_status(reference, response)
    declared = response.headers.get("Docker-Content-Digest")
    computed = f"sha256:{hashlib.sha256(response.body).hexdigest()}" if response.body else None
    digest = declared or computed
    if not digest or not DIGEST.fullmatch(digest) or computed not in (None, digest):
        raise Unavailable(
            f"the registry {reference.registry} sends no digest of {reference} that matches the manifest"
        )
    return digest


def _raise_for_status(reference: ImageReference, response: Response) -> None:
    status = response.status
    if status == 200:
        return
    if status in (401, 403):
        raise _access_denied(reference)
    if status == 429 or status >= 500:
        raise Unavailable(
            f"the registry {reference.registry} responds with status {status} for {reference}",
            _retry_at(response),
        )
    raise Rejected(
        f"the registry {reference.registry} responds with status {status} for {reference}", _excerpt(response)
    )


def _access_denied(reference: ImageReference) -> Unavailable:
    """Registries deny access also to an image that is not pushed yet, and for a moment after a change."""
    return Unavailable(
        f"the registry {reference.registry} denies Greenroom access to {reference.repository}: "
        "check the name of the image, make it public, or configure registry credentials that can pull it"
    )


def _retry_at(response: Response) -> datetime | None:
    seconds = response.headers.get("Retry-After", "")
    return datetime.now(UTC) + timedelta(seconds=min(int(seconds), 3600)) if seconds.isdecimal() else None


def _excerpt(response: Response) -> str:
    """The beginning of the registry's response."""
    return response.body[:500].decode(errors="replace")


def _parse_token(reference: ImageReference, response: Response) -> tuple[str, float]:
    try:
        answer = json.loads(response.body)
        token = answer.get("token") or answer.get("access_token")
        seconds = float(answer.get("expires_in") or TOKEN_SECONDS)
    except (ValueError, AttributeError, TypeError):
        token, seconds = None, 0.0
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise Unavailable(f"the token service of {reference.registry} responds without a token")
    return token, seconds

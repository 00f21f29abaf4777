"""Reads manifests and blobs of one registry: the OCI distribution API, anonymous or with its tokens."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from bot.cluster.client.api import Object
from bot.model.addresses import is_loopback_name
from bot.model.image_reference import ImageReference, parse_reference

_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_LARGEST_MANIFEST = 4 * 2**20
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class PullError(Exception):
    """The image cannot be pulled; the message has the reason."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest: the digest of the reference (of the index, if it is one) and the layers."""

    digest: str
    config: str
    layers: tuple[str, ...]


class InvalidReferenceError(Exception):
    """The text is not an image name."""


def parse_image(text: str) -> ImageReference:
    """The reference that a container runtime reads; the tag is `latest` unless given."""
    try:
        reference = parse_reference(text)
    except ValueError:
        problem = f'couldn\'t parse image name "{text}": invalid reference format'
        raise InvalidReferenceError(problem) from None
    return replace(reference, tag=reference.tag or "latest")


def default_pull_policy(reference: ImageReference) -> str:
    """The pull policy of Kubernetes for an image without one."""
    return "Always" if reference.tag == "latest" and reference.digest is None else "IfNotPresent"


def repository_name(reference: ImageReference) -> str:
    return f"{reference.registry}/{reference.repository}"


def registry_url(reference: ImageReference) -> str:
    """The repository's address in its registry; plain http on loopback."""
    host = reference.api_host
    scheme = "http" if is_loopback_name(httpx.URL(f"https://{host}").host) else "https"
    return f"{scheme}://{host}/v2/{reference.repository}"


def credentials(secrets: Iterable[Object], registry: str) -> tuple[str, str] | None:
    """User and password from the first pull secret (`kubernetes.io/dockerconfigjson`) for the registry."""
    for secret in secrets:
        try:
            config = json.loads(base64.b64decode((secret.get("data") or {})[".dockerconfigjson"]))
            entry = config["auths"][registry]
            if "auth" in entry:
                user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
                return user, password
            return str(entry["username"]), str(entry["password"])
        except (KeyError, TypeError, ValueError, binascii.Error):
            continue
    return None


class Distribution:
    """Pulls from the registry of one reference; `credentials` are a user and password, if there are any."""

    def __init__(
        self, http: httpx.AsyncClient, reference: ImageReference, credentials: tuple[str, str] | None = None
    ) -> None:
        self._http = http
        self._reference = reference
        self._version = reference.digest or reference.tag
        self._url = registry_url(reference)
        self._credentials = credentials
        self._authorization: str | None = None

    async def manifest(self) -> Manifest:
        digest, body = await self._manifest(str(self._version))
        if "manifests" in body:
            _, body = await self._manifest(_for_this_machine(body["manifests"]))
        try:
            layers = tuple(str(layer["digest"]) for layer in body["layers"])
            return Manifest(digest, str(body["config"]["digest"]), layers)
        except (KeyError, TypeError):
            raise PullError("the manifest has no config or layers") from None

    async def blob(self, digest: str, target: Path) -> None:
        """Write a blob to a file. Raises PullError when its digest differs."""
        algorithm, _, expected = digest.partition(":")
        if algorithm != "sha256":
            raise PullError(f"digest algorithm {algorithm} is not supported")
        value = hashlib.sha256()

        async def save(response: httpx.Response) -> None:
            with target.open("wb") as file:
                async for chunk in response.aiter_bytes(2**18):
                    value.update(chunk)
                    file.write(chunk)

        await self._get(f"/blobs/{digest}", save)
        if value.hexdigest() != expected:
            raise PullError(
                f"failed commit on ref: unexpected digest sha256:{value.hexdigest()}, wanted {digest}"
            )

    async def _manifest(self, version: str) -> tuple[str, dict[str, Any]]:
        content = b""

        async def keep(response: httpx.Response) -> None:
            nonlocal content
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > _LARGEST_MANIFEST:
                    raise PullError("the manifest is larger than 4 MiB")

        await self._get(f"/manifests/{version}", keep, accept=", ".join((*_INDEXES, *_MANIFESTS)))
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if version.startswith("sha256:") and version != digest:
            raise PullError(f"the registry answered {digest} for {version}")
        try:
            body = json.loads(content)
        except ValueError:
            raise PullError("the manifest is not JSON") from None
        return digest, body

    async def _get(
        self, path: str, take: Callable[[httpx.Response], Awaitable[None]], *, accept: str = "*/*"
    ) -> None:
        url = self._url + path
        try:
            for attempt in ("first", "authorized"):
                target, headers = _on_loopback(url)
                headers["Accept"] = accept
                if self._authorization:
                    headers["Authorization"] = self._authorization
                async with self._http.stream("GET", target, headers=headers) as response:
                    if response.status_code == 401 and attempt == "first":
                        await self._authorize(response.headers.get("WWW-Authenticate", ""))
                        continue
                    if response.status_code != 200:
                        raise PullError(self._refusal(response.status_code))
                    await take(response)
                    return
        except httpx.HTTPError as error:
            raise PullError(f'failed to do request: Get "{url}": {error or type(error).__name__}') from None

    def _refusal(self, status: int) -> str:
        separator = "@" if self._reference.digest else ":"
        name = f"{repository_name(self._reference)}{separator}{self._version}"
        if status == 404:
            return f'failed to resolve reference "{name}": {name}: not found'
        if status in (401, 403):
            return (
                f'failed to resolve reference "{name}": pull access denied, '
                "repository does not exist or may require authorization"
            )
        return f'failed to resolve reference "{name}": unexpected status from GET request: {status}'

    async def _authorize(self, challenge: str) -> None:
        scheme, _, rest = challenge.partition(" ")
        basic = httpx.BasicAuth(*self._credentials) if self._credentials else None
        if scheme.lower() == "basic" and basic:
            request = next(basic.auth_flow(httpx.Request("GET", self._url)))
            self._authorization = request.headers["Authorization"]
            return
        given = dict(_CHALLENGE.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in given:
            raise PullError(self._refusal(401))
        scope = given.get("scope") or f"repository:{self._reference.repository}:pull"
        target, headers = _on_loopback(given["realm"])
        params = {"service": given.get("service", ""), "scope": scope}
        answer = await self._http.get(target, params=params, headers=headers, auth=basic)
        if answer.status_code != 200:
            raise PullError(
                f"failed to authorize: failed to fetch token: unexpected status {answer.status_code}"
            )
        token = answer.json()
        self._authorization = f"Bearer {token.get('token') or token.get('access_token')}"


def _for_this_machine(manifests: list[dict[str, Any]]) -> str:
    """A machine-independent image is often listed alone; else linux on amd64 is taken."""
    for manifest in manifests:
        platform = manifest.get("platform") or {}
        if platform.get("os") == "linux" and platform.get("architecture") == "amd64":
            return str(manifest["digest"])
    if not manifests:
        raise PullError("the image index is empty")
    return str(manifests[0]["digest"])


def _on_loopback(url: str) -> tuple[str, dict[str, str]]:
    """Address and headers; not every resolver maps `*.localhost` to this machine."""
    host = urlsplit(url).hostname or ""
    if host.endswith(".localhost"):
        return url.replace(host, "127.0.0.1", 1), {"Host": urlsplit(url).netloc}
    return url, {}

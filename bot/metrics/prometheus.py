"""Reads the counters of requests to Services from Prometheus, or a server with its HTTP API."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import httpx

from bot.clients.failures import cause_of
from bot.clients.proxies import Proxies
from bot.clients.transport import ProxyTransport
from bot.clients.trust import public_authorities, untrusted
from bot.metrics.credentials import Credential, read_credential
from bot.metrics.provider_file import PrometheusSettings
from bot.metrics.queries import filled
from bot.metrics.responses import body_of
from bot.metrics.vectors import Sample, counts_by_source, samples
from bot.model.errors import GreenroomError, Unavailable
from bot.model.rollout import Backend, Counts

_QUERY_STATUSES = (400, 422)
"""An invalid query, and one that cannot be executed: the body has the reason."""


class PrometheusMetrics:
    """One server, for the Services of one cluster."""

    def __init__(self, name: str, settings: PrometheusSettings, variables: Mapping[str, str]) -> None:
        """`variables` are the environment variables from which credentials are read."""
        self._name = name
        self._settings = settings
        self._variables = variables
        self._http = httpx.AsyncClient(
            transport=ProxyTransport(Proxies.from_environment(), _trust(name, settings)),
            timeout=settings.timeout.total_seconds(),
            follow_redirects=False,
        )

    async def __aenter__(self) -> PrometheusMetrics:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def read(self, namespace: str, backends: Sequence[Backend], cluster: str) -> Mapping[str, Counts]:
        """The counters of requests to these Services by source, all of the same time.

        Raises Unavailable when the server does not answer, or not with counters.
        """
        now, queries = f"{time.time():.3f}", self._settings.effective_queries
        try:
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                requests, errors, durations = [
                    [
                        sample
                        for text in filled(query, namespace, backends, cluster)
                        for sample in await self._samples(text, now)
                    ]
                    if query is not None
                    else []
                    for query in (queries.requests, queries.errors, queries.durations)
                ]
        except TimeoutError:
            raise self._unavailable("it does not answer in time") from None
        try:
            return counts_by_source(requests, errors, durations, queries.unit)
        except ValueError as error:
            raise self._unavailable(str(error)) from None

    async def _samples(self, query: str, now: str) -> list[Sample]:
        try:
            async with self._http.stream(
                "POST",
                f"{self._settings.url}/api/v1/query",
                data={"query": query, "time": now},
                headers=self._headers(),
                auth=self._basic_auth(),
            ) as response:
                if response.status_code not in (httpx.codes.OK, *_QUERY_STATUSES):
                    raise self._unavailable(f"it answers with status {response.status_code}")
                content = await body_of(response)
        except httpx.HTTPError as error:
            setting = f"`ca_file` of the provider {self._name}"
            reason = untrusted(self._settings.url, setting, error) or cause_of(self._settings.url, error)
            raise self._unavailable(reason) from None
        except ValueError as error:
            raise self._unavailable(str(error)) from None
        try:
            return samples(content)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise self._unavailable(str(error)) from None

    def _headers(self) -> Mapping[str, str]:
        token = self._settings.bearer_token
        return {"Authorization": f"Bearer {self._secret(token)}"} if token is not None else {}

    def _basic_auth(self) -> httpx.BasicAuth | None:
        user = self._settings.basic_auth
        return httpx.BasicAuth(user.username, self._secret(user.password)) if user is not None else None

    def _secret(self, credential: Credential) -> str:
        """Read for each request: the operator may rotate it."""
        try:
            return read_credential(credential, self._variables)
        except ValueError as error:
            raise self._unavailable(str(error)) from None

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(f"The metrics provider {self._name} cannot be read: {reason}.")


def _trust(name: str, settings: PrometheusSettings) -> ssl.SSLContext:
    if settings.ca_file is None:
        return public_authorities()
    try:
        return ssl.create_default_context(cafile=Path(settings.ca_file))
    except OSError as error:
        raise GreenroomError(f"`ca_file` of the metrics provider {name} is invalid: {error}") from None

"""Describes why a connection to a service failed, with the address."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpx

from bot.model.connection import ConnectionFailure

_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNEXPECTED_MESSAGE")
"""What OpenSSL calls the answer of a server that does not speak TLS."""
_WRONG_HOST = 62
"""OpenSSL's code for a certificate of another host."""


def address_of(url: httpx.URL) -> str:
    """HOST:PORT."""
    return f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"


def failure_of(error: BaseException) -> ConnectionFailure:
    """The kind of failure, found in the error and its causes."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            other_host = cause.verify_code == _WRONG_HOST
            return ConnectionFailure.CERTIFICATE_OF_OTHER_HOST if other_host else ConnectionFailure.UNTRUSTED
        if isinstance(cause, ssl.SSLError) and any(code in str(cause) for code in _NOT_TLS):
            return ConnectionFailure.NOT_TLS
        if isinstance(cause, socket.gaierror):
            return ConnectionFailure.UNKNOWN_NAME
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return ConnectionFailure.REFUSED
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return ConnectionFailure.TIMED_OUT
    return ConnectionFailure.OTHER


def no_connection(address: str, error: BaseException) -> str:
    """The reason, without a period. `address` is HOST:PORT."""
    match failure_of(error):
        case ConnectionFailure.REFUSED:
            return f"nothing listens at {address} (connection refused)"
        case ConnectionFailure.UNKNOWN_NAME:
            return f"the name {address.rpartition(':')[0]} cannot be resolved"
        case ConnectionFailure.NOT_TLS:
            return f"{address} does not speak TLS"
        case ConnectionFailure.TIMED_OUT:
            return f"{address} does not answer"
        case ConnectionFailure.CERTIFICATE_OF_OTHER_HOST | ConnectionFailure.UNTRUSTED:
            return f"the certificate of {address} is not trusted"
        case ConnectionFailure.OTHER:
            causes = [cause for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror]
            return f"{address} cannot be reached: {causes[-1].strerror if causes else error}"


def cause_of(url: str, error: Exception) -> str:
    """Why a request failed, without a period: as `no_connection`, or the client's message."""
    if isinstance(error, httpx.ConnectError | httpx.TimeoutException):
        return no_connection(address_of(httpx.URL(url)), error)
    return str(error).rstrip(".") or type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what caused it, and the members of groups."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        if isinstance(error, BaseExceptionGroup):
            for member in error.exceptions:
                yield from _causes(member)
        error = error.__cause__ or error.__context__

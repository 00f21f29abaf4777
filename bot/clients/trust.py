"""Which certificate authorities the clients trust, and what to do when a certificate is not trusted."""

from __future__ import annotations

import functools
import os
import ssl

import httpx

from bot.model.errors import GreenroomError

PUBLIC = "SSL_CERT_FILE"
"""The variable with a file of authorities that replaces the public ones."""


def public_authorities() -> ssl.SSLContext:
    """Trusts the public authorities, or those of SSL_CERT_FILE. Raises GreenroomError if that is invalid."""
    file = os.environ.get(PUBLIC, "")
    try:
        return _context(file)
    except OSError as error:
        raise GreenroomError(f"{PUBLIC} is invalid: {error}: {file}") from None


@functools.cache
def _context(_: str) -> ssl.SSLContext:
    """Loading the authorities takes 20 ms, so all clients share them. `_` is the variable."""
    return httpx.create_ssl_context()


def untrusted(host: str, setting: str, error: Exception) -> str:
    """The sentence, without a period, for an error about the host's certificate; "" for another error."""
    if "CERTIFICATE_VERIFY_FAILED" not in str(error):
        return ""
    reason = str(error).rpartition("failed: ")[2].partition(" (_ssl")[0]
    return (
        f"the certificate of {host} is not trusted ({reason}): if a private authority signed it, "
        f"set {setting} to a PEM file with that authority"
    )

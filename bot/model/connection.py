"""Why a connection came to nothing."""

from __future__ import annotations

from enum import StrEnum


class ConnectionFailure(StrEnum):
    REFUSED = "refused"
    """Nothing listens at the port."""
    UNKNOWN_NAME = "unknown name"
    TIMED_OUT = "timed out"
    NOT_TLS = "not TLS"
    """The port answers without TLS."""
    CERTIFICATE_OF_OTHER_HOST = "certificate of another host"
    UNTRUSTED = "untrusted"
    """The certificate expired, or its authority is unknown."""
    OTHER = "other"

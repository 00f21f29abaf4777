"""Reads a state as the `kubernetes` backend stores it. Pure."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

from bot.model.errors import Rejected
from bot.model.infrastructure import Output, TerraformState

_VERSION = 4
_MAX_BYTES = 64 * 1024 * 1024


def read_state(compressed: bytes) -> TerraformState:
    """Reads a state. Raises Rejected for one that cannot be read, such as an encrypted one."""
    document = state_document(compressed)
    try:
        managed = [resource for resource in document["resources"] if resource["mode"] == "managed"]
        outputs = {
            name: Output(_text(output["value"]), bool(output.get("sensitive")))
            for name, output in document["outputs"].items()
        }
        return TerraformState(sum(len(resource["instances"]) for resource in managed), outputs)
    except (KeyError, TypeError, AttributeError):
        raise _unreadable() from None


def state_document(compressed: bytes) -> dict[str, Any]:
    """The state as JSON, in the version that Terraform and OpenTofu write."""
    try:
        decompressor = zlib.decompressobj(wbits=31)
        text = decompressor.decompress(compressed, _MAX_BYTES)
        if decompressor.unconsumed_tail:
            raise Rejected("The Terraform state is larger than 64 MiB.")
        document = json.loads(text)
    except (zlib.error, gzip.BadGzipFile, ValueError):
        raise _unreadable() from None
    if isinstance(document, dict) and "encrypted_data" in document:
        raise Rejected(
            "The Terraform state is encrypted, so Greenroom cannot read it. Remove the `encryption` block "
            "from the module."
        )
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise _unreadable()
    return document


def _text(value: Any) -> str:
    """Text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _unreadable() -> Rejected:
    return Rejected("The Terraform state has a format that Greenroom does not know.")

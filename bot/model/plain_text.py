"""Text of untrusted programs and users without control and invisible characters."""

from __future__ import annotations

import re

_ESCAPE_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def plain_text(text: str) -> str:
    """The text in valid UTF-8; every line ends with a newline.

    Escape sequences, control characters, zero-width characters and bidirectional overrides are removed.
    """
    text = text.encode(errors="replace").decode()
    return _INVISIBLE.sub("", _ESCAPE_SEQUENCES.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))

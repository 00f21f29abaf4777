"""The forms in which programs print a secret. Pure."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote

_ESCAPED_BYTE = re.compile("%[0-9A-F]{2}")
_WRAPPED_AT = (64, 76)
"""Columns at which `openssl` and `base64` break lines."""
_MOST_WRAPPED = 8192
"""Bytes of a value whose wrapped lines are forms of their own: each costs a search in the text."""
_JSON_ESCAPES = (("/", "\\/"), *((sign, f"\\u{ord(sign):04x}") for sign in "<>&"))
"""Beyond what JSON requires: PHP escapes slashes, Go and Rails the signs of HTML."""


def forms_of(value: str) -> set[str]:
    """The value itself and its forms in JSON, URLs, HTML, Python, hexadecimal digits and base64."""
    return {value, *_in_json(value), *_in_url(value), *_in_html(value), repr(value)[1:-1], *_in_bytes(value)}


def _in_json(value: str) -> Iterator[str]:
    for ascii_only in (True, False):
        written = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield written
        yield json.dumps(written, ensure_ascii=ascii_only)[1:-1]  # JSON in a text of JSON
        escaped = written
        for sign, escape in _JSON_ESCAPES:
            yield written.replace(sign, escape)
            escaped = escaped if sign == "/" else escaped.replace(sign, escape)
        yield escaped


def _in_url(value: str) -> Iterator[str]:
    strict = quote(value, safe="", errors="replace")
    for form in (strict, strict.replace("%2F", "/")):
        for in_query in (form, form.replace("%20", "+")):
            yield in_query
            yield _ESCAPED_BYTE.sub(lambda match: match[0].lower(), in_query)


def _in_html(value: str) -> Iterator[str]:
    escaped = html.escape(value)
    yield from (html.escape(value, quote=False), escaped, escaped.replace("&quot;", "&#34;"))
    yield escaped.replace("&quot;", "&#34;").replace("&#x27;", "&#39;")  # Go


def _in_bytes(value: str) -> Iterator[str]:
    content = value.encode(errors="replace")
    yield from (content.hex(), content.hex().upper())
    yield from _in_base64(content)
    if len(content) <= _MOST_WRAPPED:
        whole = base64.b64encode(content).decode().rstrip("=")
        for columns in _WRAPPED_AT:
            yield from (whole[start : start + columns] for start in range(0, len(whole), columns))


def _in_base64(content: bytes) -> Iterator[str]:
    """Both alphabets, at each place in a longer text such as `user:password`.

    Without the digits that also depend on what is before or after it.
    """
    for before in range(3):
        digits = base64.b64encode(bytes(before) + content).decode().rstrip("=")
        inner = digits[-(-before * 8 // 6) : (before + len(content)) * 8 // 6]
        for form in (inner, digits) if before == 0 else (inner,):
            yield form
            yield form.replace("+", "-").replace("/", "_")

"""A secret is hidden in every form in which programs print it."""

from __future__ import annotations

import html
import json
import re
import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.environments.secrets import HIDDEN, InjectedSecrets


def in_json(value: str) -> str:
    return json.dumps(value)[1:-1]


PRINTED: dict[str, Callable[[str], str]] = {
    "text": str,
    "JSON": in_json,
    "JSON without ASCII": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda value: in_json(in_json(value)),
    "JSON of PHP": lambda value: in_json(value).replace("/", "\\/"),
    "JSON of Go": lambda value: (
        in_json(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    ),
    "URL": lambda value: quote(value, safe=""),
    "path of a URL": quote,
    "query": quote_plus,
    "URL in lower case": lambda value: re.sub("%..", lambda match: match[0].lower(), quote(value, safe="")),
    "HTML": html.escape,
    "HTML without quotes": lambda value: html.escape(value, quote=False),
    "HTML of Go": lambda value: html.escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    "Python": lambda value: repr(value)[1:-1],
    "hexadecimal digits": lambda value: value.encode().hex(),
    "upper-case digits": lambda value: value.encode().hex().upper(),
    "base64": lambda value: b64encode(value.encode()).decode().rstrip("="),
    "base64 for URLs": lambda value: urlsafe_b64encode(value.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("form", PRINTED)
@given(st.text(string.printable, min_size=6, max_size=80))
def test_value_is_hidden_in_every_form(form: str, value: str) -> None:
    printed = PRINTED[form](value)
    assert printed not in InjectedSecrets({"A": value}).hide(f"value: {printed} was set")


@given(st.text(min_size=6, max_size=40), st.binary(max_size=6), st.binary(max_size=6), st.booleans())
def test_value_is_hidden_in_base64_of_a_longer_text(
    value: str, before: bytes, after: bytes, for_urls: bool
) -> None:
    """All digits but those that other bytes change, too: at most two."""
    content = value.encode(errors="replace")
    encode = urlsafe_b64encode if for_urls else b64encode
    digits = encode(before + content + after).decode().rstrip("=")
    shown = InjectedSecrets({"A": value}).hide(f"Authorization: {digits} was sent")
    rest = shown.removeprefix("Authorization: ").removesuffix(" was sent").replace(HIDDEN, "")
    assert len(digits) - len(rest) >= len(content) * 8 // 6 - 2


@pytest.mark.parametrize("columns", [64, 76])
def test_value_is_hidden_in_wrapped_base64(columns: int) -> None:
    value = "".join(f"line {number} of a key\n" for number in range(20))
    digits = b64encode(value.encode()).decode()
    lines = [digits[start : start + columns] for start in range(0, len(digits), columns)]
    shown = InjectedSecrets({"A": value}).hide("\n".join(["key:", *lines, "end"]))
    assert not any(line in shown for line in lines)

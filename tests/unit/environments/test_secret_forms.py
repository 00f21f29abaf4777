"""A secret is hidden in every form in which programs print it."""

from __future__ import annotations

import html
import json
import random
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


def for_each(value: str, characters: str, escape: Callable[[str], str]) -> str:
    """The value with these characters and all that are not ASCII escaped."""
    return "".join(escape(sign) if sign in characters or ord(sign) > 126 else sign for sign in value)


def percent(value: str, kept: str) -> str:
    return quote(value, safe=f"-_.~{kept}")


MIXED = "p\u00e4\"s's<w+o/r&d> =%x`y~*()"
"""Programs differ in which of these characters they escape, and how."""
UPPER = json.dumps(MIXED)[1:-1].replace("\\u00e4", "\\u00E4")
BY_PROGRAM = {
    "JSON of Java": UPPER,
    "JSON of .NET": for_each(MIXED, "<>&'\"+`", lambda sign: f"\\u{ord(sign):04X}"),
    "JSON of Rails": UPPER.replace("<", "\\u003C").replace("&", "\\u0026").replace(">", "\\u003E"),
    "JSON of Go in JSON": json.dumps(json.dumps(MIXED)[1:-1].replace("<", "\\u003c"))[1:-1],
    "only escapes": "".join(f"\\u{ord(sign):04x}" for sign in MIXED),
    "encodeURIComponent": percent(MIXED, "!'()*"),
    "encodeURI": percent(MIXED, "!'()*;,/?:@&=+$#"),
    "URLEncoder": percent(MIXED, "*").replace("%20", "+").replace("~", "%7E"),
    "password in a URL of Go": percent(MIXED, "$&+,;="),
    "URL in a URL": quote(quote(MIXED, safe=""), safe=""),
    "Latin-1 in a URL": quote(MIXED.encode("latin-1"), safe=""),
    "decimal references": for_each(MIXED, "<>&'\"", lambda sign: f"&#{ord(sign)};"),
    "hexadecimal references": for_each(MIXED, "<>&'\"", lambda sign: f"&#x{ord(sign):X};"),
    "HTML in JSON": json.dumps(html.escape(MIXED, quote=False))[1:-1],
    "bytes of Python": repr(MIXED.encode())[2:-1],
    "bytes of C": "".join(f"\\x{byte:02x}" for byte in MIXED.encode()),
    "octal digits": "".join(f"\\{byte:03o}" for byte in MIXED.encode()),
    "set -x": MIXED.replace("'", "'\\''"),
    "printf %q": re.sub(r"(\W)", r"\\\1", MIXED),
    "SQL": MIXED.replace("'", "''"),
    "CSV": MIXED.replace('"', '""'),
    "digits with colons": MIXED.encode().hex(":"),
    "digits with spaces": MIXED.encode().hex(" ").upper(),
    "base64 of JSON": b64encode(json.dumps({"password": MIXED}).encode()).decode(),
    "base64 of base64": b64encode(b64encode(MIXED.encode())).decode(),
}


@pytest.mark.parametrize("program", BY_PROGRAM)
def test_value_is_hidden_as_any_program_escapes_it(program: str) -> None:
    shown = InjectedSecrets({"A": MIXED}).hide(f"value: {BY_PROGRAM[program]} (set)")
    assert re.fullmatch(rf"value: {re.escape(HIDDEN)}=* \(set\)", shown)


@given(st.text(string.printable, min_size=6, max_size=40), st.data())
def test_value_is_hidden_whichever_characters_are_escaped(value: str, data: st.DataObject) -> None:
    def escaped(sign: str) -> str:
        choices = [f"\\u{ord(sign):04X}", f"\\x{ord(sign):02x}", f"\\{ord(sign):03o}"]
        plain = [] if sign in "\\" else [sign]
        return data.draw(st.sampled_from([*plain, *choices]))

    written = "".join(map(escaped, value))
    assert written not in InjectedSecrets({"A": value}).hide(f"value: {written} (set)")


PIECES = ("\\x41", "%41", "&#65;", "''", "+", "\\", "%", "&", "41 ", "QUJDREVG ")


@pytest.mark.parametrize("pieces", [*((piece,) for piece in PIECES), PIECES])
def test_text_full_of_escapes_is_read_in_linear_time(pieces: tuple[str, ...]) -> None:
    """A quadratic reader takes minutes here and exceeds the test's timeout."""
    values = {f"V{number}": f"value-{number}-of-many/{number * 7919}" for number in range(30)}
    chosen = random.Random(1).choices(pieces, k=256_000)
    text = "".join(chosen)[:256_000]
    assert InjectedSecrets(values).hide(text) == text

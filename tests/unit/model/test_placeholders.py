"""Placeholders in values of `.greenroom.yml`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.placeholders import Placeholder, expand, placeholders

_VALUES = {
    Placeholder.URL: "https://pr-7.example.com",
    Placeholder.HOST: "pr-7.example.com",
    Placeholder.SHA: "c" * 40,
    Placeholder.NUMBER: "7",
}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("{url}/callback", "https://pr-7.example.com/callback"),
        ("{host},{host}", "pr-7.example.com,pr-7.example.com"),
        ("{number}-{sha}", f"7-{'c' * 40}"),
        ("{{url}}", "{url}"),
        ("{{anything}}", "{anything}"),
        ("{{{url}}}", "{{url}}"),
        ("${host} and ${HOME}", "${host} and ${HOME}"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ('{"url": "{url}"}', '{"url": "https://pr-7.example.com"}'),
        ("{} {0} {a,b} { url }", "{} {0} {a,b} { url }"),
        ("", ""),
    ],
)
def test_expand(text: str, expanded: str) -> None:
    placeholders(text)
    assert expand(text, _VALUES) == expanded


@pytest.mark.parametrize("text", ["{urls}", "{URL}", "https://{user}@x", "{not-known}"])
def test_unknown_placeholder_is_an_error_that_explains_literal_braces(text: str) -> None:
    with pytest.raises(ValueError, match="unknown placeholder") as caught:
        placeholders(text)
    assert "{{" in str(caught.value)


@given(st.text(alphabet="{}$ url_host", max_size=30))
def test_every_text_without_unknown_placeholders_expands(text: str) -> None:
    try:
        used = placeholders(text)
    except ValueError:
        return
    expanded = expand(text, _VALUES)
    assert used or expanded.count("{") <= text.count("{")


@given(st.text(max_size=50))
def test_doubled_braces_keep_any_name_literal(text: str) -> None:
    assert expand(f"{{{{name}}}}{text}", _VALUES).startswith("{name}") or "{" in text

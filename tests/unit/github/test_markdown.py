"""Whatever a person writes into a branch, a file name or a log, it stays text."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.github.messages.markdown import block, code, diff_block, ended, last_bytes, plain

RENDER = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render
HOSTILE = (
    "``` ~~~ 1. @acme/team #12 GH-7 http:// https://evil.example www.evil.example <script> </details> &lt;"
)
PIECES = st.sampled_from(
    [*"`*_[]()<>!#|~\\-+=&@:./$\"'\n\t 1aZ", *HOSTILE.split(), "\r\n", "<!-- x -->", "\x1b[31m"]
)
WORDS = st.lists(PIECES | st.characters(), max_size=40).map("".join)


@given(WORDS)
@example("``a`b``")
@example("1. not a list")
@example("\\`<b>`")
def test_plain_returns_one_paragraph_without_markup(words: str) -> None:
    html = RENDER(plain(words))
    assert html.count("<p>") <= 1
    assert "<" not in re.sub(r"</?(p|code)>", "", html)
    outside_code = re.sub(r"<code>.*?</code>", "", html)
    assert not re.search(r"@[\w-]", outside_code)
    assert not re.search(r"#\d|://|\bwww\.|\bgh-\d", outside_code, re.IGNORECASE)


@given(WORDS)
def test_code_cannot_be_closed_by_its_content(words: str) -> None:
    assert re.fullmatch(r"<p><code>[^<]*</code></p>\n", RENDER(code(words)))


@given(WORDS)
@example("```\n</details>\n````")
def test_block_cannot_be_closed_by_its_content(words: str) -> None:
    quoted = block(words, 1000)
    assert re.fullmatch(r'<pre><code class="language-text">[^<]*</code></pre>\n', RENDER(quoted))


@given(st.lists(WORDS, max_size=5))
def test_diff_cannot_be_closed_by_its_content(lines: list[str]) -> None:
    quoted = diff_block([f"-{line}" for line in lines], 200)
    assert re.fullmatch(r'<pre><code class="language-diff">[^<]*</code></pre>\n', RENDER(quoted))


def test_diff_states_the_number_of_omitted_lines() -> None:
    assert diff_block(["-one", "+two", "-three"], 11) == "```diff\n-one\n+two\n… 1 more lines\n```"


def test_plain_keeps_inline_code() -> None:
    assert plain("No preview (`preview.skip.drafts`).") == "No preview (`preview.skip.drafts`)."


@given(st.from_regex(r"[a-z0-9]+([-_.][a-z0-9]+){0,6} \([a-z0-9!+#]+\)[;:,.!?]?", fullmatch=True))
@example("web-64c8 (2 pods): 0 of 2 are ready!")
@example("kubernetes.io/change_cause")
def test_plain_keeps_names_readable_where_markdown_is_not_rendered(words: str) -> None:
    assert plain(words).replace("\u200b", "") == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 of 2 pods are ready", "0 of 2 pods are ready."),
        ("It failed.", "It failed."),
        ("Did you mean `x`?", "Did you mean `x`?"),
        ('It printed "no."', 'It printed "no."'),
        ("no stage x (did you mean y?)", "no stage x (did you mean y?)."),
        ("The pod reports: ", "The pod reports."),
        ("a first line\na second line", "a first line\na second line"),
        ("", ""),
    ],
)
def test_texts_end_like_sentences(text: str, expected: str) -> None:
    assert ended(text) == expected


def test_control_and_invisible_characters_are_removed() -> None:
    assert block("\x1b[31mred\x1b[0m\r\nnext\u202e\x00", 100) == "```text\nred\nnext\n```"


@given(st.text(), st.integers(20, 200))
def test_block_keeps_the_end_of_a_log(text: str, longest: int) -> None:
    kept = last_bytes(text, longest)
    assert len(kept.encode(errors="replace")) <= longest
    assert kept == text or kept.startswith("…\n")


@pytest.mark.parametrize(
    "piece", ["_", "`", "``a", "`a", "~", "[", "#1", "www.", "@a", "\x1b[", "\x1b]", "://", "&", "*a_"]
)
@pytest.mark.parametrize(("before", "after"), [("", ""), ("a", "b"), ("`", "b")])
def test_hostile_text_takes_little_time(piece: str, before: str, after: str) -> None:
    """A comment can quote hundreds of texts."""
    text = before + (piece * 1000)[:900] + after
    fastest = 1.0
    for _ in range(5):
        started = time.thread_time()
        plain(text), code(text), ended(text)
        fastest = min(fastest, time.thread_time() - started)
    assert fastest < 0.004

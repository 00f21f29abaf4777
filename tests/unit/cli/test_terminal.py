"""Tables on a terminal of 80 columns and in a pipe."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from bot.cli import terminal

URL = "https://pr-104-a-repository-with-a-long-name-k2x9f1.preview.example.com"
COLUMNS = ("environment", "state", "commit", "expires", "URL or reason")
ROW = ("acme/shop#104", "checks failed", "abcdef0", "2026-12-04 02:32:28")


def printed(width: int, *rows: tuple[str, ...]) -> list[str]:
    out = StringIO()
    terminal.table(Console(width=width, file=out), COLUMNS, rows)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert all(len(line) <= width for line in lines)
    return lines


def test_url_that_does_not_fit_has_a_line_of_its_own() -> None:
    assert printed(80, (*ROW, URL)) == [
        "environment    state          commit   expires",
        "acme/shop#104  checks failed  abcdef0  2026-12-04 02:32:28",
        f"  {URL}",
    ]


def test_sentences_are_wrapped_within_their_column_between_words() -> None:
    lines = printed(90, (*ROW, "The check smoke failed: one of three requests failed."))
    assert (
        lines[1]
        == "acme/shop#104  checks failed  abcdef0  2026-12-04 02:32:28  The check smoke failed: one of"
    )
    assert lines[2].strip() == "three requests failed."


@pytest.mark.parametrize("width", [80, 40])
def test_names_that_are_longer_than_the_terminal_hide_no_other_column(width: int) -> None:
    name = "a-long-organisation-name/an-even-longer-repository-name-of-a-shop:production"
    text = "".join(printed(width, (name, *ROW[1:], URL))).replace(" ", "")
    for cell in (name, *ROW[1:], URL):
        assert cell.replace(" ", "") in text


def test_pipe_has_one_line_for_each_row() -> None:
    assert len(printed(10_000, (*ROW, f"{URL} {'The check failed. ' * 20}"))) == 2


def test_digest_in_a_list_of_facts_is_not_broken() -> None:
    out, digest = StringIO(), f"sha256:{'1a2b' * 16}"
    rows = [(Text("image shop"), Text(digest)), (Text("key"), Text("preview/7/3"))]
    terminal.grid(Console(width=80, file=out), "", rows)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines[1:] == ["image shop", f"  {digest}", "key         preview/7/3"]


def test_word_that_is_longer_than_the_terminal_stays_in_its_column() -> None:
    out, image = StringIO(), f"ghcr.io/acme/a-shop-with-a-long-name@sha256:{'1a2b' * 16}"
    terminal.grid(Console(width=80, file=out), "", [(Text("Pulled"), Text(f"{image} is present"))])
    lines = [line.rstrip() for line in out.getvalue().splitlines()][1:]
    assert lines[0].startswith("Pulled  ghcr.io/")
    assert lines[1].startswith("        ")

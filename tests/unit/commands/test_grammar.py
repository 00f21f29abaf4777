"""What counts as a command in a comment, and what is only text."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.comment_text import visible_commands
from bot.commands.grammar import (
    LONGEST,
    MAX_COMMANDS,
    TOO_MANY_COMMANDS,
    Command,
    ParsedComment,
    UnknownCommand,
    parse,
)
from bot.commands.table import COMMANDS, Verb


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("/preview", Command(Verb.PREVIEW)),
        ("/preview up", Command(Verb.PREVIEW)),
        ("/Preview  Refresh ", Command(Verb.REFRESH)),
        ("/preview sleep", Command(Verb.SLEEP)),
        ("/extend 24h", Command(Verb.EXTEND, timedelta(hours=24))),
        ("/extend 3d", Command(Verb.EXTEND, timedelta(days=3))),
        ("/destroy", Command(Verb.DESTROY)),
        ("/reseed", Command(Verb.RESEED)),
        ("/status", Command(Verb.STATUS)),
        ("/why", Command(Verb.WHY)),
        ("/status staging", Command(Verb.STATUS, words=("staging",))),
        ("/Why  staging ", Command(Verb.WHY, words=("staging",))),
        ("/help\r\n", Command(Verb.HELP)),
        ("Looks good, let us see it:\n/preview\nThanks!", Command(Verb.PREVIEW)),
        ("> it is broken\n\n/why", Command(Verb.WHY)),
        ("```\nx\n```\n/why", Command(Verb.WHY)),
        ("<!-- note --> hello\n/why", Command(Verb.WHY)),
        ("a ` alone\n/why", Command(Verb.WHY)),
        ("- a list\n\n/why", Command(Verb.WHY)),
        ("> quoted\n> > twice\n\n/why", Command(Verb.WHY)),
        ("1. step\n   ```\n   /preview\n   ```\n\n/why", Command(Verb.WHY)),
        ("<details><summary>Log</summary>\n\n```\n/preview\n```\n\n</details>\n\n/why", Command(Verb.WHY)),
        ("<!-- a --> <!-- b -->\n\n/why", Command(Verb.WHY)),
        ("**bold**, [link](https://example.com) and `code`\n/why", Command(Verb.WHY)),
    ],
)
def test_command_must_start_a_line(typed: str, command: Command) -> None:
    assert parse(typed) == ParsedComment(command)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing to see",
        "please type /preview to see it",
        " /preview",
        "    /preview",
        "> /preview",
        "> as Ada wrote\n/preview",
        "```\n/preview\n```",
        "~~~~\n```\n/preview\n~~~~",
        "```\nnever closed\n/preview",
        "`a span over\n/preview\nlines`",
        "`` a ` span\n/preview ``",
        "<!-- hidden\n\n/preview\n-->",
        "text <!-- hidden\n/preview",
        "<pre>\n/preview\n</pre>",
        "<details><blockquote>\n/preview\n</blockquote></details>",
        "<blockquote>\n\n/preview\n\n</blockquote>",
        "<!-- one --> <!--\n\n/preview\n-->",
        "> > twice\n/preview",
        "> - a list\n/preview",
        "- item\n  > quoted\n/preview",
        "1. step\n\n   ```\n   /preview\n   ```",
        "- /preview",
        "  - nested\n    - /preview",
        "<details>\n/preview\n</details>",
        "\ue0000\ue000/preview",
        "/usr/bin/env is where it starts",
        "/usr/bin",
        "/etc is a folder",
        "//preview",
        "/ preview",
        "/previews/7 answers 404",
        "/tmp fills up when this runs",
        "/api answers 500 now",
        "/lgtm",
        "/retest",
        "/ok-to-test",
        "/cc @ada",
        "/assign ada",
        "/review",
        "/deploy",
        "/merge squash",
        "/frobnicate",
        "x" * 65_537 + "\n/preview",
    ],
)
def test_ordinary_text_is_no_command(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("/prevew", "/preview"),
        ("/previw refresh", "/preview"),
        ("/reset", "/reseed"),
        ("/destory", "/destroy"),
        ("/preview please", "/preview"),
        ("/extend", "/extend"),
        ("/extend forever", "/extend"),
        ("/extend 0h", "/extend"),
        ("/status of the shop", "/status"),
        ("/why staging is red", "/why"),
        ("/help staging", "/help"),
    ],
)
def test_mistyped_command_suggests_the_nearest(typed: str, nearest: str) -> None:
    spoken = parse(typed)
    assert spoken is not None
    assert isinstance(spoken.first, UnknownCommand)
    assert spoken.first.nearest[0] == nearest


def test_commands_of_other_bots_are_ignored() -> None:
    assert parse("/lgtm\n/preview\n/cc @ada") == ParsedComment(Command(Verb.PREVIEW))


def test_lock_duration_ignores_case() -> None:
    assert parse("/Lock staging For 2H") == ParsedComment(
        Command(Verb.LOCK, timedelta(hours=2), ("staging",))
    )


def test_first_command_counts_and_others_are_counted() -> None:
    assert parse("/extend 24h\n/status\nand\n/why") == ParsedComment(
        Command(Verb.EXTEND, timedelta(days=1)), more=2
    )


@pytest.mark.parametrize("line", ["/preview", "/p", "/previw", "/lock a"])
def test_number_of_commands_is_capped(line: str) -> None:
    allowed = "\n".join([*[line] * (MAX_COMMANDS - 1), "/why"])
    assert parse(allowed) is not None
    too_many = ParsedComment(TOO_MANY_COMMANDS)
    assert parse(f"{allowed}\n/why") == too_many
    assert parse("\n".join([line] * 20_000)) in (too_many, None)


def test_many_lines_with_slashes_that_are_no_commands_are_ordinary_text() -> None:
    assert parse("\n".join(["/users", "/orders"] * 100)) is None
    assert parse("\n".join(["/var/lib"] * 1000 + ["", "/why"])) == ParsedComment(Command(Verb.WHY))
    hidden = "\n".join(["```", *["/users"] * 1000, "/help", "```", "/why"])
    assert parse(hidden) == ParsedComment(Command(Verb.WHY))


@pytest.mark.parametrize(
    "text",
    [
        "/p\n" * 21_845,
        "/preview\n" * 7000,
        "/previw\n" * 8000,
        "/preview" + " " * 40_000 + "x" + " " * 20_000,
    ],
)
def test_commands_without_number_take_little_time(text: str) -> None:
    started = time.process_time()
    parse(text[:LONGEST])
    assert time.process_time() - started < 0.8, "Markdown included; the intake parses comments in a thread"


def test_usages_in_the_table_are_parsed() -> None:
    assert set(COMMANDS) == set(Verb)
    for verb, entry in COMMANDS.items():
        spoken = parse(entry.usage)
        assert spoken is not None
        assert isinstance(spoken.first, Command)
        assert spoken.first.verb is verb


_TEXT = ["/preview", "/why", "/extend 2h", "text", "", "# title", "- item", "    code", "\t", "\r"]
_MARKUP = ["> quoted", "```", "~~~", "`", "``", "\\`", "<!--", "-->", "<pre>", "</pre>"]
_MARKDOWN = st.lists(st.sampled_from([*_TEXT, *_MARKUP]), max_size=30)
_COMMANDS = st.sampled_from([entry.usage for entry in COMMANDS.values()])


@given(st.text(alphabet=st.characters(), max_size=400))
def test_parser_accepts_any_text(text: str) -> None:
    parse(text)


@given(_MARKDOWN, _COMMANDS)
def test_quoted_commands_and_code_blocks_are_ignored(lines: list[str], usage: str) -> None:
    text = [line for line in lines if not line.startswith("/")]
    quoted = "\n".join(f"> {line}" for line in [*text, usage])
    fenced = "\n".join(["`````", *text, usage, "`````"])
    assert parse(quoted) is None
    assert parse(fenced) is None


@given(_MARKDOWN, _COMMANDS)
def test_command_after_closed_markup_is_parsed(lines: list[str], usage: str) -> None:
    text = "\n".join(f"> {line}" for line in lines)
    spoken = parse(f"{text}\n\n{usage}")
    assert spoken is not None
    assert isinstance(spoken.first, Command)


@given(_MARKDOWN)
def test_visible_commands_are_lines_of_the_text(lines: list[str]) -> None:
    text = "\n".join(lines)
    given_lines = iter(text.replace("\r", "\n").split("\n"))
    assert all(line in given_lines for line in visible_commands(text))


@pytest.mark.parametrize(
    "piece", ["`\n\n", "<!--\n-->\n", "` `` ``` \n", "> a\n", "<pre>\n</pre>\n", "/x\n", "<\n"]
)
def test_parser_is_linear_for_hostile_text(piece: str) -> None:
    """A quadratic parser takes minutes here and exceeds the test's timeout."""
    parse((piece * 70_000)[:65_000] + "\n\n/preview")

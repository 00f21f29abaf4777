"""What counts as a command in a comment, and what is only text."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.commands.comment_text import visible_commands
from bot.commands.grammar import (
    LONGEST,
    MAX_COMMANDS,
    TOO_MANY_COMMANDS,
    Command,
    Misuse,
    ParsedComment,
    UnknownCommand,
    parse,
)
from bot.commands.grammar import UsageProblem as Problem
from bot.commands.table import COMMANDS, STAGE_VERBS, Entry, Verb


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("/preview", Command(Verb.PREVIEW)),
        ("/preview up", Command(Verb.PREVIEW)),
        ("/Preview  Refresh ", Command(Verb.REFRESH)),
        ("/sleep", Command(Verb.SLEEP)),
        ("/Wake", Command(Verb.WAKE)),
        ("/extend 24h", Command(Verb.EXTEND, timedelta(hours=24))),
        ("/extend 24 h", Command(Verb.EXTEND, timedelta(hours=24))),
        ("/extend 90M", Command(Verb.EXTEND, timedelta(minutes=90))),
        (" /preview", Command(Verb.PREVIEW)),
        ("   /preview", Command(Verb.PREVIEW)),
        ("\u00a0/preview", Command(Verb.PREVIEW)),
        ("\ufeff/preview", Command(Verb.PREVIEW)),
        ("\u200e/preview", Command(Verb.PREVIEW)),
        ("\u00ad/preview", Command(Verb.PREVIEW)),
        (" \u2003 /preview", Command(Verb.PREVIEW)),
        ("text\n  /preview", Command(Verb.PREVIEW)),
        ("/promote\u00a0production", Command(Verb.PROMOTE, words=("production",))),
        ("/promote\u3000production\u200b", Command(Verb.PROMOTE, words=("production",))),
        ("/approve production 1a2b3c4", Command(Verb.APPROVE, words=("production", "1a2b3c4"))),
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
        ("[x] done (see below\n/why", Command(Verb.WHY)),
        ("![picture](a.png 'title')\n/why", Command(Verb.WHY)),
        ("[label]: https://example.com\n/why", Command(Verb.WHY)),
        ("![picture\nin two lines](a.png)\n/why", Command(Verb.WHY)),
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
        "    /preview",
        "\t/preview",
        "   \t/preview",
        " > /preview",
        "- item\n  /preview",
        "1. step\n\n   /preview",
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
        '[link](https://example.com "\n/preview\n")',
        "[link](\n/preview\n)",
        "![picture\n/preview\n](a.png)",
        "[label]: https://example.com '\n/preview\n'",
        "[label]:\n/preview",
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
    ("typed", "corrected"),
    [
        ("/prevew", "/preview"),
        ("/previw refresh", "/preview refresh"),
        ("/reset", "/reseed"),
        ("/destory", "/destroy"),
        ("/promot production", "/promote production"),
        ("/Promot  production v2", "/promote production v2"),
        ("/extnd 24h", "/extend 24h"),
        ("/lok production 2h load test", "/lock production 2h load test"),
        ("/approve. production", "/approve production"),
        ("/promot", ""),
        ("/extnd forever", ""),
    ],
)
def test_mistyped_command_suggests_the_nearest_with_its_arguments(typed: str, corrected: str) -> None:
    parsed = parse(typed)
    assert parsed is not None
    assert isinstance(parsed.first, UnknownCommand)
    assert parsed.first.corrected == corrected
    assert parsed.first.nearest


@pytest.mark.parametrize(
    ("typed", "misuse"),
    [
        ("/promote", Misuse(Verb.PROMOTE, Problem.STAGE_MISSING)),
        ("/promote\u00a0", Misuse(Verb.PROMOTE, Problem.STAGE_MISSING)),
        ("/rollback", Misuse(Verb.ROLLBACK, Problem.STAGE_MISSING)),
        ("/lock", Misuse(Verb.LOCK, Problem.STAGE_MISSING)),
        ("/hold", Misuse(Verb.HOLD, Problem.STAGE_MISSING)),
        ("/promote production v1 now", Misuse(Verb.PROMOTE, Problem.UNEXPECTED, "now", "production")),
        (
            "/unlock production please now",
            Misuse(Verb.UNLOCK, Problem.UNEXPECTED, "please now", "production"),
        ),
        ("/preview please", Misuse(Verb.PREVIEW, Problem.UNEXPECTED, "please")),
        ("/preview refresh all", Misuse(Verb.PREVIEW, Problem.UNEXPECTED, "refresh all")),
        ("/destroy it", Misuse(Verb.DESTROY, Problem.UNEXPECTED, "it")),
        ("/extend", Misuse(Verb.EXTEND, Problem.DURATION_MISSING)),
        ("/extend forever", Misuse(Verb.EXTEND, Problem.NO_DURATION, "forever")),
        ("/extend 0h", Misuse(Verb.EXTEND, Problem.NO_DURATION, "0h")),
        ("/extend 30s", Misuse(Verb.EXTEND, Problem.DURATION_TOO_SHORT, "30s")),
        ("/extend 24", Misuse(Verb.EXTEND, Problem.NO_DURATION, "24")),
        ("/extend 24h please", Misuse(Verb.EXTEND, Problem.UNEXPECTED, "please")),
        ("/lock production 2x", Misuse(Verb.LOCK, Problem.NO_DURATION, "2x", "production")),
        ("/lock production for", Misuse(Verb.LOCK, Problem.DURATION_MISSING, stage="production")),
        ("/lock production for 2hh", Misuse(Verb.LOCK, Problem.NO_DURATION, "2hh", "production")),
        ("/lock production" + " x" * 101, Misuse(Verb.LOCK, Problem.REASON_TOO_LONG, stage="production")),
        ("/approve production latest", Misuse(Verb.APPROVE, Problem.NO_RELEASE, "latest", "production")),
        ("/approve production abc123", Misuse(Verb.APPROVE, Problem.NO_RELEASE, "abc123", "production")),
        ("/status of the shop", Misuse(Verb.STATUS, Problem.UNEXPECTED, "the shop")),
        ("/why staging is red", Misuse(Verb.WHY, Problem.UNEXPECTED, "is red")),
        ("/help staging", Misuse(Verb.HELP, Problem.UNEXPECTED, "staging")),
    ],
)
def test_wrong_arguments_are_usage_errors(typed: str, misuse: Misuse) -> None:
    assert parse(typed) == ParsedComment(misuse)


@pytest.mark.parametrize(
    ("typed", "duration", "words"),
    [
        ("/lock production", None, ("production",)),
        ("/lock production 2h", 2, ("production",)),
        ("/lock production 2 h", 2, ("production",)),
        ("/lock production for 2h", 2, ("production",)),
        ("/Lock staging For 2H", 2, ("staging",)),
        ("/lock production 2h load test", 2, ("production", "load", "test")),
        ("/lock production for 2h load test", 2, ("production", "load", "test")),
        ("/lock production 3 tests are running", None, ("production", *["3", "tests", "are", "running"])),
        ("/lock production day 3 of the audit", None, ("production", *["day", "3", "of", "the", "audit"])),
        ("/lock production for lunch", None, ("production", "for", "lunch")),
    ],
)
def test_lock_takes_a_duration_and_a_reason(typed: str, duration: int | None, words: tuple[str, ...]) -> None:
    length = timedelta(hours=duration) if duration is not None else None
    assert parse(typed) == ParsedComment(Command(Verb.LOCK, length, words))


@pytest.mark.parametrize(
    ("reason", "problem", "typed"),
    [
        ("load test 2h", Problem.DURATION_MISPLACED, "2h"),
        ("for two hours", Problem.NO_DURATION, "two hours"),
        ("-2h", Problem.DURATION_MISPLACED, "2h"),
        ("(2h)", Problem.DURATION_MISPLACED, "2h"),
        ("load test, 2h30m", Problem.DURATION_MISPLACED, "2h"),
        ("until 5pm", Problem.NO_DURATION, "until 5pm"),
        ("load test till tomorrow", Problem.DURATION_MISPLACED, "till tomorrow"),
        ("ends at 17:00", Problem.DURATION_MISPLACED, "17:00"),
        ("2 hours", Problem.NO_DURATION, "2 hours"),
        ("2h 30m fixing the cache", Problem.NO_DURATION, "2h 30m"),
        ("for 2 h 30 min", Problem.NO_DURATION, "2 h 30 min"),
        ("½h", Problem.NO_DURATION, "½h"),
        ("half an hour", Problem.NO_DURATION, "half an hour"),
        ("1.5h", Problem.NO_DURATION, "1.5h"),
        ("2", Problem.NO_DURATION, "2"),
        ("30s", Problem.DURATION_TOO_SHORT, "30s"),
        ("for 30 s", Problem.DURATION_TOO_SHORT, "30 s"),
    ],
)
def test_length_that_is_not_parsed_is_never_a_reason(reason: str, problem: Problem, typed: str) -> None:
    expected = Misuse(Verb.LOCK, problem, typed, "production")
    parsed = parse(f"/lock production {reason}")
    assert parsed is not None
    assert isinstance(parsed.first, Misuse)
    assert (parsed.first.problem, parsed.first.stage) == (expected.problem, expected.stage)
    assert parsed.first.typed == typed


def test_commands_of_other_bots_are_ignored() -> None:
    assert parse("/lgtm\n/preview\n/cc @ada") == ParsedComment(Command(Verb.PREVIEW))


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
    assert time.process_time() - started < 2, "Markdown included; the intake parses comments in a thread"


@pytest.mark.parametrize("reason", ["1" * 5000, "x " + "1" * 5000, "1." * 2500, "1,1" * 1600, "until " * 800])
def test_reason_of_a_lock_takes_little_time(reason: str) -> None:
    """A regular expression holds the interpreter, also in another thread."""
    started = time.thread_time()
    parse(f"/lock production {reason}")
    assert time.thread_time() - started < 0.05


def test_usages_in_the_table_are_parsed() -> None:
    assert set(COMMANDS) == set(Verb)
    for verb, entry in COMMANDS.items():
        parsed = parse(entry.usage)
        assert parsed is not None
        assert isinstance(parsed.first, Command)
        assert parsed.first.verb is verb


_TEXT = ["/preview", "/why", "/extend 2h", "text", "", "# title", "- item", "    code", "\t", "\r"]
_MARKUP = ["> quoted", "```", "~~~", "`", "``", "\\`", "<!--", "-->", "<pre>", "</pre>"]
_MARKDOWN = st.lists(st.sampled_from([*_TEXT, *_MARKUP]), max_size=30)
_COMMANDS = st.sampled_from([entry.usage for entry in COMMANDS.values()])


SPACE = st.text(st.sampled_from(" \t\u00a0\u2003\u202f\u3000\u200b\ufeff"), min_size=1, max_size=3)
WORD = st.text(st.characters(codec="ascii", categories=("Ll", "Nd")), min_size=1, max_size=9)


@given(st.sampled_from(list(COMMANDS.values())), st.data())
def test_any_spaces_separate_words(entry: Entry, data: st.DataObject) -> None:
    words = entry.usage.split(" ")
    typed = words[0] + "".join(data.draw(SPACE) + word for word in words[1:]) + data.draw(SPACE | st.just(""))
    assert parse(typed) == parse(entry.usage)


@given(st.sampled_from(list(Verb)), st.lists(WORD, max_size=6))
def test_every_line_of_a_known_command_is_answered(verb: Verb, words: list[str]) -> None:
    """It is a command whose words are all used, or a usage error."""
    parsed = parse(" ".join([verb, *words]))
    assert parsed is not None
    command = parsed.first
    if isinstance(command, Command):
        assert len(command.words) <= len(words)
        assert command.words[:1] == tuple(words[:1]) or command.verb not in STAGE_VERBS
        used = "".join([command.verb, *command.words])
        left_out = "".join([verb, *words]).replace(" ", "").lower()
        assert command.duration is not None or used.replace(" ", "").lower() in (left_out, left_out[:-2])
    else:
        assert isinstance(command, Misuse)


@given(
    st.integers(1, 99_999), st.sampled_from("mhd"), st.booleans(), st.booleans(), st.lists(WORD, max_size=3)
)
def test_lock_has_the_duration_that_was_typed(
    number: int, unit: str, spaced: bool, preposition: bool, reason: list[str]
) -> None:
    length = f"{number} {unit}" if spaced else f"{number}{unit}"
    assume(not reason or not reason[0][:1].isdigit())  # could be a part of the length, as in `2h 30m`
    typed = ["/lock production", *(["for"] if preposition else []), length, *reason]
    parsed = parse(" ".join(typed))
    names = {"m": "minutes", "h": "hours", "d": "days"}
    expected = Command(Verb.LOCK, timedelta(**{names[unit]: number}), ("production", *reason))
    assert parsed == ParsedComment(expected)


@given(st.sampled_from(sorted(STAGE_VERBS - {Verb.VOUCH})), st.integers(0, 7), st.data())
def test_correction_of_a_typing_error_keeps_the_arguments(verb: Verb, at: int, data: st.DataObject) -> None:
    """One letter is missing, not the first one."""
    at = min(at, len(verb) - 3) + 2
    wrong, rest = verb[:at] + verb[at + 1 :], f"stage-{data.draw(WORD)}"
    parsed = parse(f"{wrong} {rest}")
    if parsed is not None and isinstance(parsed.first, UnknownCommand):
        assert parsed.first.corrected.partition(" ")[2] == rest
        assert parse(parsed.first.corrected) is not None


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
    parsed = parse(f"{text}\n\n{usage}")
    assert parsed is not None
    assert isinstance(parsed.first, Command)


@given(_MARKDOWN)
def test_visible_commands_are_lines_of_the_text(lines: list[str]) -> None:
    text = "\n".join(lines)
    given_lines = iter(text.replace("\r", "\n").split("\n"))
    assert all(line in given_lines for line in visible_commands(text))


@pytest.mark.parametrize(
    "piece",
    [
        "  ",
        " a  ",
        "`\n\n",
        "<!--\n-->\n",
        "` `` ``` \n",
        "> a\n",
        "<pre>\n</pre>\n",
        "/x\n",
        "<\n",
        "![",
        "](\n",
        "]:",
    ],
)
def test_parser_is_linear_for_hostile_text(piece: str) -> None:
    """A quadratic parser takes minutes here and exceeds the test's timeout."""
    parse("/x " + (piece * 70_000)[:65_000] + "\n\n/preview")


@pytest.mark.parametrize("word", ["--move", "--MOVE", "\u2014move", "\u2013move"])
def test_move_confirms_a_promotion_to_another_cluster(word: str) -> None:
    parsed = parse(f"/promote staging {word}")
    assert parsed is not None
    assert parsed.first == Command(Verb.PROMOTE, words=("staging",), moves=True)
    named = parse(f"/promote staging v1 {word}")
    assert named is not None
    assert named.first == Command(Verb.PROMOTE, words=("staging", "v1"), moves=True)
    missing = parse(f"/promote {word}")
    assert missing is not None
    assert missing.first == Misuse(Verb.PROMOTE, Problem.STAGE_MISSING)


@pytest.mark.parametrize("word", ["--now", "\u2014now"])
def test_now_skips_the_analysis_of_the_stage_that_is_named(word: str) -> None:
    parsed, named = parse(f"/promote staging {word}"), parse(f"/promote staging v1 {word}")
    assert parsed is not None
    assert parsed.first == Command(Verb.PROMOTE, words=("staging",), now=True)
    assert named is not None
    assert named.first == Misuse(Verb.PROMOTE, Problem.UNEXPECTED, "v1", "staging")

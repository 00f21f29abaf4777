"""Sentences end, none runs into the next one, and texts that are not Markdown have no escapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.environments.data_reasons import JobFailed
from bot.environments.hook_reasons import HookFailed, HookWaiting
from bot.environments.reasons import EnvironmentReason, ManifestNotes, ObjectFailed, ObjectWaiting
from bot.github.messages import environment as texts
from bot.github.messages import promotion as promotion_texts
from bot.github.messages.environment_reasons import describe
from bot.model.environment import EnvironmentState, StatusMessage
from bot.model.notes import Note
from bot.model.promotion import PromotionState
from bot.model.reason import Reported
from bot.model.rollout import Counts
from tests.unit.github.previews import PENDING, PLACE, PREVIEWS
from tests.unit.github.promotions import PROMOTIONS

SNAPSHOTS = Path(__file__).parents[2] / "snapshots"
ENDING = re.compile(r"[.?!…][\"'`”]*$")
WORDS = st.sampled_from(
    ["0 of 2 pods are ready", "exit code 1.", "is it there?", "refused: ", "web-64c8 (old)"]
)
NAMES = st.sampled_from(["web-64c8", "shop"])
WORDED = {"message", "summary", "error", "text"}
"""Fields with the words of programs; the others are names."""
TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))

BOUNDS = st.sampled_from(["0.1", "1.2", "+Inf"])
st.register_type_strategy(
    Counts,
    st.builds(
        Counts,
        requests=st.integers(0, 10**6),
        errors=st.integers(0, 10**6),
        buckets=st.dictionaries(BOUNDS, st.integers(0, 10**6)),
    ),
)


def _values(hint: Any, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Any value of the type; each text in it, at any depth, is one of `texts`."""
    parts = [_values(part, texts) for part in get_args(hint) if part is not Ellipsis]
    match get_origin(hint):
        case None:
            return texts if hint is str else st.from_type(hint)
        case origin if origin in (Union, UnionType):
            return st.one_of(parts)
        case origin if origin is tuple and Ellipsis in get_args(hint):
            return st.lists(parts[0], min_size=1, max_size=3).map(tuple)
        case origin if origin is tuple:
            return st.tuples(*parts)
        case origin if origin in (Mapping, dict):
            return st.dictionaries(parts[0], parts[1], min_size=1, max_size=3)
        case origin:
            raise NotImplementedError(f"values of {origin}")


def _reason(kind: type) -> st.SearchStrategy[object]:
    """Any value of the class, with names and the words of programs as texts."""
    if kind is ManifestNotes:  # it has at least one note
        note = _reason(Note)
        return st.builds(kind, st.lists(note, min_size=1, max_size=3).map(tuple))
    if not is_dataclass(kind):
        return st.from_type(kind)
    hints = get_type_hints(kind)
    return st.builds(
        kind, **{name: _values(hint, WORDS if name in WORDED else NAMES) for name, hint in hints.items()}
    )


def _classes() -> set[type]:
    """The dataclasses that reasons are made of, at any depth. Their texts are names and words too."""
    classes: set[type] = set()
    waiting: list[object] = [EnvironmentReason]
    while waiting:
        hint = waiting.pop()
        waiting += get_args(hint)
        if isinstance(hint, type) and is_dataclass(hint) and hint not in classes:
            classes.add(hint)
            waiting += get_type_hints(hint).values()
    return classes


for _kind in _classes() - {Counts}:
    st.register_type_strategy(_kind, _reason(_kind))
REASONS = st.sampled_from(get_args(EnvironmentReason)).flatmap(_reason)

STARTS = "It|The|This|That|Times|Push|Waiting|Retrying|Greenroom retries|Reopen|Nothing|Not|To|A|No|You"
RUN_TOGETHER = re.compile(rf"[a-z0-9)`\"'] ({STARTS}) [a-z]")
ESCAPE = re.compile(r"\\[^\w\s]")
UNFORMATTED = re.compile(r"^Title: .*$|(?<=^# Deployment\n\n).*$|(?<=^# Deployment that ends\n\n).*$", re.M)


@given(REASONS)
def test_every_reason_of_an_environment_ends_like_a_sentence(reason: Any) -> None:
    text = describe(reason)
    assert ENDING.search(text), text
    assert not re.search(r"\.\.(?!\.)|[:;,]\.|\?\.", text), text


@given(WORDS, TIMES, st.sampled_from([ObjectWaiting, ObjectFailed]))
def test_deadline_does_not_run_into_the_cause(
    words: str, until: datetime, kind: type[ObjectWaiting | ObjectFailed]
) -> None:
    cause = StatusMessage(describe(kind("Deployment", "web-64c8", words)), until=until)
    waiting = replace(PENDING, state=EnvironmentState.WAITING, cause=cause)
    for text in (texts.comment(waiting, PLACE), texts.check(waiting, PLACE).summary):
        before, deadline, _ = text.partition(" Times out at")
        assert deadline
        assert ENDING.search(before), before


def test_deadline_of_a_list_is_a_paragraph() -> None:
    cause = StatusMessage("a first line\na second line", until=datetime(2026, 1, 1, tzinfo=UTC))
    waiting = replace(PENDING, state=EnvironmentState.WAITING, cause=cause)
    assert "- a second line\n\nTimes out at 01 January" in texts.comment(waiting, PLACE)


@pytest.mark.parametrize("text", ["it ended with exit code 1", "it ended with exit code 1."])
def test_words_of_programs_get_one_full_stop(text: str) -> None:
    assert describe(HookFailed("migrate", text)) == "The hook `migrate` failed: it ended with exit code 1."
    assert describe(Reported(text)) == "it ended with exit code 1."
    seed = JobFailed("seed", ("./seed",), text, 3)
    assert describe(seed) == "The seed `./seed` failed: it ended with exit code 1 (3 attempts)."
    assert describe(HookWaiting("migrate", text)).endswith("exit code 1.")


@pytest.mark.parametrize("state", PromotionState)
@pytest.mark.parametrize("reason", ["bea rejected it: not today", "bea rejected it: not today.", "why?"])
def test_headline_of_a_promotion_has_one_full_stop(state: PromotionState, reason: str) -> None:
    headline = promotion_texts.headline(replace(PROMOTIONS["deploying"], state=state, reason=reason))
    assert not re.search(r"\.\.|\?\.", headline)
    assert ENDING.search(headline.split(" [")[0])


@pytest.mark.parametrize("retried", [True, False])
def test_only_a_failure_that_is_not_retried_asks_for_a_push(retried: bool) -> None:
    cause = StatusMessage("The registry cannot be reached.", retried=retried)
    failed = replace(PREVIEWS["failed"][0], cause=cause)
    comment = texts.comment(failed, PLACE)
    assert ("Push a fix to retry." in comment) is not retried
    assert ("Greenroom retries automatically." in comment) is retried


@pytest.mark.parametrize("path", sorted(SNAPSHOTS.glob("*.md")), ids=lambda path: path.stem)
def test_no_sentence_runs_into_the_next_one(path: Path) -> None:
    text = re.sub(r"^(`{3,})(?!`)[^`]*?^\1$", "", path.read_text(), flags=re.M | re.S)
    assert not RUN_TOGETHER.findall(text)
    assert not re.search(r"[a-z0-9]\.\. ", text)


@pytest.mark.parametrize("name", PREVIEWS)
def test_texts_that_are_not_markdown_have_no_escapes(name: str) -> None:
    rendered = (SNAPSHOTS / f"{name}.md").read_text()
    lines = [line for line in UNFORMATTED.findall(rendered) if line]
    assert lines
    assert not any(ESCAPE.search(line) or "\u200b" in line for line in lines)

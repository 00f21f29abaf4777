"""The checks of the language find what they are for, and nothing else."""

from __future__ import annotations

import pytest

from tests.unit.project.language import (
    SEARCHED,
    docstring_findings,
    findings,
    identifier_findings,
    phrase_findings,
)


def test_names_and_phrases_are_plain() -> None:
    assert [str(finding) for finding in findings(SEARCHED)] == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def tell(asker): ...", ["tell", "asker"]),
        ("class StageBoard: ...", ["StageBoard"]),
        ("for each in rows: pass", ["each"]),
        ("import x as _told", ["_told"]),
        ("__all__ = ['x']\nforetold = dashboard = 1\nprint(told)", []),
    ],
)
def test_identifier_findings(source: str, names: list[str]) -> None:
    assert [finding.text for finding in identifier_findings("bot/example.py", source)] == names


@pytest.mark.parametrize(
    ("source", "phrases"),
    [
        ('"""Whoever waits\nhas  to wait."""', ["Whoever", "has to"]),
        ("x = 1  # it is taken away, which is carried out", ["taken away", "carried out"]),
        ('a, b = "told", "the user is told"', ["told"]),
        (
            "# so that nothing keeps the preview away after so many runs",
            ["keeps the preview away", "after so many"],
        ),
        (
            "# an interval in which the present head runs",
            ["interval in which", "the present head"],
        ),
        ("# a route leads to another cluster than this", ["route leads", "another cluster than"]),
        ("# replaces images by their digests; is replaced by the next one", ["replaces images by"]),
        ("# the value is present in the file, and no more than 4 kB", []),
        ('"It is no longer needed, leaves more room."', []),
    ],
)
def test_phrase_findings(source: str, phrases: list[str]) -> None:
    assert [finding.text for finding in phrase_findings("example.py", source)] == phrases


def test_only_story_is_a_permitted_module_name() -> None:
    paths = ("tests/story/test_preview.py", "tests/stories/test_preview.py", "bot/desk.py")
    modules = [finding.text for path in paths for finding in identifier_findings(path, "")]
    assert modules == ["stories", "desk"]


def test_phrase_findings_name_the_line() -> None:
    (finding,) = phrase_findings("docs/example.md", "One.\nTwo has\nto wait.")
    assert finding.line == 2


@pytest.mark.parametrize(
    ("docstring", "found_lines"),
    [("Of memory.", [3]), ("In a row.", [3]), ("Gibibytes of memory.", []), ("Inputs of a run.", [])],
)
def test_docstrings_of_attributes_are_complete(docstring: str, found_lines: list[int]) -> None:
    source = f'class Load:\n    size: int\n    """{docstring}"""\n'
    assert [finding.line for finding in docstring_findings("bot/example.py", source)] == found_lines

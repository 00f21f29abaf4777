"""Links between the pages of the documentation lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.project.files import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target, anchor in _links(page.read_text()):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in _anchors(file.read_text()), f"{target} has no heading {anchor}"


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [page.name for page in PAGES if page.name not in readme] == ["CHANGELOG.md", "README.md"]


def test_promises_name_tests_that_exist() -> None:
    table = (ROOT / "docs" / "security.md").read_text().partition("| promise |")[2]
    tests = re.findall(r"`(\S+\.py)(?:::(\w+))?`", table)
    assert len(tests) > 40
    for path, name in tests:
        assert f"def {name}" in (ROOT / "tests" / path).read_text(), f"{path} has no {name}"


def test_recipes_name_files_that_exist_and_their_number() -> None:
    section = (ROOT / "ARCHITECTURE.md").read_text().partition("## How to add …")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (an? [^|]+) \| (\d+) \| (.+) \|$", section, re.MULTILINE)
    numbers = {name: int(number) for name, number, _ in rows}
    assert len(rows) == section.count("\n| ") - 1, "each recipe has a number of files"
    assert numbers["a command"] <= 5
    assert numbers["a check kind"] <= 4
    for name, _, steps in rows:
        paths = [text for text in re.findall(r"`([^`\s]+)`", steps) if text.endswith((".py", ".md", "/"))]
        assert paths, f"{name} names no file"
        assert [path for path in paths if not (ROOT / path).exists()] == [], name


def _links(markdown: str) -> Iterator[tuple[str, str]]:
    """Targets and anchors of relative links."""
    for link in re.findall(r"\]\(([^)\s]+)\)", markdown):
        if "://" not in link:
            target, _, anchor = link.partition("#")
            yield target, anchor


def _anchors(markdown: str) -> set[str]:
    """Anchors as GitHub derives them from headings."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

"""Glob patterns of paths and of branches."""

import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.patterns import any_path_matcher, branch_matches, path_matches


@pytest.mark.parametrize(
    ("path", "pattern", "matches"),
    [
        ("docs/a/b.md", "docs/**", True),
        ("docs/a/b.md", "docs/*", False),
        ("a/docs/b.md", "docs/**", False),
        ("a/b/c.md", "**/*.md", True),
        ("c.md", "**/*.md", True),
        ("a/c.md", "**.md", True),
        ("docs-old/a.md", "docs**", True),
        (".github/workflows/ci.yml", "*/**", True),
        ("c.mdx", "*.md", False),
        ("C.MD", "*.md", False),
        ("a.c", "a?c", True),
        ("a/c", "a?c", False),
        ("pages/[id].tsx", "pages/[id].tsx", True),
        ("pages/i.tsx", "pages/[id].tsx", False),
        ("src/a/b.test.js", "src/**.js", True),
        ("ab", "a**b", True),
        ("a/x/b", "a**b", True),
        ("docs", "docs/**", False),
        ("b", "**/**/b", True),
        ("{a,b}", "{a,b}", True),
        ("a", "{a,b}", False),
        ("a\nb", "a**", True),
    ],
)
def test_path_matches(path: str, pattern: str, matches: bool) -> None:
    assert path_matches(path, pattern) is matches


@pytest.mark.parametrize(
    ("branch", "pattern", "matches"),
    [
        ("main", "main", True),
        ("release/1", "release/*", True),
        ("release/1/2", "release/*", False),
        ("release/1/2", "release/**", False),
        ("release/1/2", "release/**/*", True),
        ("release/2", "release/[0-9]", True),
        ("release/x", "release/[^0-9]", True),
        ("Main", "main", False),
        ("release/]", "release/[]]", True),
        ("release/a", "release/[!0-9]", True),
        ("a/b", "a[!x]b", False),
        ("release/m", "release/[z-a]", False),
        ("release/[", "release/[", True),
        ("release/*", "release/\\*", True),
        ("release/x", "release/\\*", False),
        ("release/&", "release/[&&a]", True),
    ],
)
def test_branch_matches(branch: str, pattern: str, matches: bool) -> None:
    assert branch_matches(branch, pattern) is matches


def is_match(path: str, pattern: str) -> bool:
    """The definition of path_matches, tried in all ways."""

    @cache
    def rest(at: int, of: int) -> bool:
        if of == len(pattern):
            return at == len(path)
        if pattern.startswith("**/", of) and (of == 0 or pattern[of - 1] == "/"):
            starts = [i + 1 for i in range(at, len(path)) if path[i] == "/"]
            return any(rest(start, of + 3) for start in [at, *starts])
        if pattern.startswith("**", of):
            after = len(pattern) - len(pattern[of:].lstrip("*"))
            return any(rest(i, after) for i in range(at, len(path) + 1))
        if pattern[of] == "*":
            return rest(at, of + 1) or (at < len(path) and path[at] != "/" and rest(at + 1, of))
        same = at < len(path) and (path[at] == pattern[of] or (pattern[of] == "?" and path[at] != "/"))
        return same and rest(at + 1, of + 1)

    return rest(0, 0)


PIECES = st.sampled_from(["a", "b", "/", "*", "?", "**", "**/", "/**"])


@given(st.text("ab/", max_size=12), st.lists(PIECES, max_size=9).map("".join))
def test_path_matches_is_its_definition(path: str, pattern: str) -> None:
    assert path_matches(path, pattern) is is_match(path, pattern)


@given(st.text("ab/", max_size=12), st.lists(st.lists(PIECES, max_size=5).map("".join), max_size=4))
def test_any_path_matcher_matches_what_one_pattern_matches(path: str, patterns: list[str]) -> None:
    matched = any_path_matcher(patterns).fullmatch(path) is not None
    assert matched is any(path_matches(path, pattern) for pattern in patterns)


@given(st.text(), st.text())
def test_branch_pattern_may_be_any_text(name: str, pattern: str) -> None:
    branch_matches(name, pattern)


HOSTILE_PATHS = ["/".join("a" * 61), "a" * 4000, "a/" * 2000 + "a", "ab" * 2000]
HOSTILE_PATTERNS = [
    "**/" * 7 + "b",
    "**/" * 60 + "b",
    "*a" * 60 + "c",
    "**a" * 60 + "c",
    "**/a/" * 40 + "b",
    "**/*a*/" * 25 + "b",
    "**a*c**",
    "**" + "?*" * 90 + "c**",
    "*/" * 90 + "*c",
    "{a,b}" * 40,
    "[ab]" * 40 + "c",
    "(a|a)*" * 30,
]


@pytest.mark.parametrize("matches", [path_matches, branch_matches])
@pytest.mark.parametrize("pattern", HOSTILE_PATTERNS)
def test_hostile_pattern_takes_little_time(matches, pattern: str) -> None:
    for path in HOSTILE_PATHS:
        started = time.process_time()
        matches(path, pattern)
        assert time.process_time() - started < 0.05, path[:20]

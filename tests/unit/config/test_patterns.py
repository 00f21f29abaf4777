"""Glob patterns of paths and of branches."""

import pytest

from bot.config.patterns import branch_matches, path_matches


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
    ],
)
def test_branch_matches(branch: str, pattern: str, matches: bool) -> None:
    assert branch_matches(branch, pattern) is matches

"""Glob patterns of paths and of branches."""

from __future__ import annotations

import re

from wcmatch import glob

_FLAGS = glob.GLOBSTAR | glob.DOTGLOB | glob.FORCEUNIX


def path_matches(path: str, pattern: str) -> bool:
    """Matches as GitHub's path filters: `*` and `?` stay inside a folder, `**` crosses folders.

    Brackets are literal: paths such as `pages/[id].tsx` are more common than character classes.
    """
    literal = re.sub(r"([\[\]\\])", r"\\\1", pattern)
    crossing = re.sub(r"\*\*(?=[^/*])", "**/*", literal)
    return glob.globmatch(path, [crossing, re.sub(r"(?<=[^/*])\*\*$", "*/**", crossing)], flags=_FLAGS)


def branch_matches(name: str, pattern: str) -> bool:
    """Matches as GitHub's deployment branch rules: no wildcard matches `/`, except `**/` for any folders."""
    return glob.globmatch(name, re.sub(r"\*\*(?!/)", "*", pattern), flags=_FLAGS)

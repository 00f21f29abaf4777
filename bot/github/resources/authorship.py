"""Logins of the people who wrote a commit."""

from __future__ import annotations

import re

from bot.github.client.json_fields import text

_CO_AUTHOR = re.compile(
    r"^co-authored-by:[^<\n]*<(?:\d+\+)?([a-z0-9][a-z0-9-]*(?:\[bot\])?)@users\.noreply\.[^>\s]+>",
    re.IGNORECASE | re.MULTILINE,
)
"""GitHub's noreply addresses name a login; other addresses cannot be attributed."""


def commit_logins(commit: object) -> frozenset[str]:
    """Author, committer and co-authors, as far as GitHub has accounts for them."""
    accounts = {text(commit, field, "login") for field in ("author", "committer")} - {""}
    return frozenset({*accounts, *_CO_AUTHOR.findall(text(commit, "commit", "message"))})

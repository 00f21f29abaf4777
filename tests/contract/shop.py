"""A repository with a pull request, for the tests of the store."""

from __future__ import annotations

from datetime import datetime

from bot.model.environment import EnvironmentKey
from bot.model.pull_request import PullRequest
from bot.model.repository import Repository

SHOP = Repository(10, 20, "acme", "shop")
SEVEN = EnvironmentKey.preview(SHOP.id, 7)
FIRST, SECOND = "a" * 40, "b" * 40


def pull_request(head: str, at: datetime) -> PullRequest:
    return PullRequest(
        repository=SHOP,
        number=7,
        node_id="PR_7",
        repository_node_id="R_10",
        title="Ünïcode \N{PARTY POPPER}",
        author="ada",
        author_is_bot=False,
        open=True,
        merged=False,
        draft=False,
        head_sha=head,
        head_ref="größe",
        head_repository_id=SHOP.id,
        base_ref="main",
        default_branch="main",
        labels=("preview",),
        updated_at=at,
    )

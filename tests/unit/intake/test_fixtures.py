"""The effects of each delivery that GitHub sends to the App."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from bot.commands.grammar import digest
from bot.intake.parser import EFFECT_READERS, ParsedDelivery, parse_delivery
from bot.model.delivery import (
    CommandPosted,
    CommitStatusChanged,
    Delivery,
    MergeGroupCreated,
    PermissionsAccepted,
    PullRequestHint,
    RepositoryRemoved,
    RerunRequested,
    ResyncRequested,
    ReviewRequested,
    WebhookEffect,
)
from bot.model.repository import Repository
from tests.webhooks import NAMES, fixture

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = Repository(661172494, 48213907, "larkfield", "greengrocer")
MAP = Repository(661172495, 48213907, "larkfield", "orchard-map")
OPENED_AT = "7ac83415aed372bf89c102c101eac4807c541563"
PUSHED = "490b634785d4a35c206920ea38acbc359cb38046"
QUEUED = "682f1077c614e34474addc628c37e6faa828e6a3"

EFFECTS: dict[str, Sequence[WebhookEffect]] = {
    "check_run.completed": [CommitStatusChanged(SHOP.id, PUSHED)],
    "check_run.created": [],
    "check_run.rerequested": [RerunRequested(SHOP, None, "tomasz-wolny", PUSHED)],
    "check_suite.completed": [CommitStatusChanged(SHOP.id, PUSHED)],
    "check_suite.requested": [],
    "check_suite.rerequested": [RerunRequested(SHOP, None, "tomasz-wolny", PUSHED)],
    "installation.created": [ResyncRequested(SHOP)],
    "installation.deleted": [
        RepositoryRemoved(
            SHOP.installation_id, None, "The App was uninstalled from the repository's account."
        )
    ],
    "installation.new_permissions_accepted": [
        PermissionsAccepted(SHOP.installation_id),
        ResyncRequested(SHOP),
    ],
    "installation.suspend": [],
    "installation.unsuspend": [ResyncRequested(SHOP)],
    "installation_repositories.added": [
        ResyncRequested(Repository(661172497, 48213909, "larkfield", "cellar"))
    ],
    "installation_repositories.removed": [
        RepositoryRemoved(48213909, 661172497, "The repository was removed from the App's installation.")
    ],
    "issue_comment.created": [CommandPosted(SHOP, 1, 691651245, digest("/preview"))],
    "issue_comment.deleted": [],
    "issue_comment.edited": [],
    "merge_group.checks_requested": [MergeGroupCreated(SHOP, QUEUED)],
    "ping": [],
    "pull_request.closed": [PullRequestHint(SHOP, 1, PUSHED, open=False)],
    "pull_request.converted_to_draft": [PullRequestHint(SHOP, 1, None, open=True)],
    "pull_request.edited": [],  # the title only
    "pull_request.labeled": [PullRequestHint(SHOP, 1, None, open=True)],
    "pull_request.opened": [PullRequestHint(SHOP, 1, OPENED_AT, open=True)],
    "pull_request.ready_for_review": [PullRequestHint(SHOP, 1, None, open=True)],
    "pull_request.reopened": [PullRequestHint(SHOP, 1, PUSHED, open=True)],
    "pull_request.review_requested": [ReviewRequested(SHOP, 1, "tomasz-wolny")],
    "pull_request.synchronize": [PullRequestHint(SHOP, 1, PUSHED, open=True)],
    "pull_request.unlabeled": [PullRequestHint(SHOP, 1, None, open=True)],
    "push": [],  # not of the configuration
    "repository.archived": [ResyncRequested(MAP)],
    "repository.deleted": [RepositoryRemoved(MAP.installation_id, MAP.id, "The repository was deleted.")],
    "repository.renamed": [
        ResyncRequested(Repository(SHOP.id, SHOP.installation_id, "larkfield", "corner-shop"))
    ],
    "repository.transferred": [
        ResyncRequested(Repository(SHOP.id, 48213908, "larkfield-archive", "corner-shop"))
    ],
    "status": [CommitStatusChanged(SHOP.id, PUSHED)],
}


def reading(name: str) -> ParsedDelivery:
    webhook = fixture(name)
    return parse_delivery(webhook.event, webhook.guid, webhook.body, NOW)


@pytest.mark.parametrize("name", NAMES)
def test_fixture_has_exactly_these_effects(name: str) -> None:
    assert list(reading(name).effects) == list(EFFECTS[name])


def test_every_handled_event_has_a_fixture() -> None:
    assert sorted(EFFECT_READERS.keys() - NAMES) == []


def test_every_fixture_is_used() -> None:
    assert sorted(EFFECTS) == NAMES


def test_app_subscribes_to_every_handled_event() -> None:
    manifest = yaml.safe_load((Path(__file__).parents[3] / "app.yml").read_text())
    unconditional = {"installation", "installation_repositories"}  # every App receives these
    assert {name.partition(".")[0] for name in EFFECT_READERS} - unconditional == set(
        manifest["default_events"]
    )


def test_delivery_has_headers_and_repository() -> None:
    webhook = fixture("pull_request.opened")
    assert reading("pull_request.opened").delivery == Delivery(
        webhook.guid, "pull_request", "opened", NOW, SHOP
    )
    assert reading("repository.archived").delivery.repository == MAP
    assert reading("ping").delivery.repository is None

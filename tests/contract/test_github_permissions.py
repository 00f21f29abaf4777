"""Permissions that an owner accepts while the bot runs, and "Re-run" on checks of a fork's pull request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from bot.app import DeliveryRecorder
from bot.embedded.github import GitHubServer
from bot.intake.parser import parse_delivery
from bot.model.delivery import Delivery, RerunRequested, WebhookEffect
from bot.model.environment import EnvironmentKey
from bot.model.errors import Rejected
from tests.contract.github_harness import FILES, NOW, GitHubHarness, ready


@pytest.fixture
async def harness() -> AsyncIterator[GitHubHarness]:
    with GitHubServer() as server:
        server.apps.set_webhook("http://127.0.0.1:1/nobody")
        server.accounts.create_organization("acme")
        for login in ("ben", "eve"):
            server.accounts.create_user(login)
        server.repositories.create("acme/shop", FILES)
        server.repositories.set_role("acme/shop", "ben", "write")
        server.repositories.fork("acme/shop", by="eve")
        server.repositories.push("eve/shop", "price", {"price.txt": "2\n"}, by="eve")
        server.pulls.open("acme/shop", "eve:price", by="eve", title="Raise the price")
        server.apps.install("acme", by="ben")
        harness = GitHubHarness(server)
        yield harness
        await harness.app.close()


class _Recorder:
    """Keeps the effects of deliveries."""

    def __init__(self) -> None:
        self.effects: list[WebhookEffect] = []

    async def record(self, delivery: Delivery, effects: Sequence[WebhookEffect]) -> None:
        self.effects += effects


def _last_effects(harness: GitHubHarness) -> tuple[Delivery, Sequence[WebhookEffect]]:
    sent = list(harness.github.world.state.deliveries.values())[-1]
    parsed = parse_delivery(sent.event, sent.guid, sent.request_body, NOW)
    return parsed.delivery, parsed.effects


@pytest.mark.parametrize("delivered", [True, False])
async def test_accepted_permission_takes_effect_at_once(harness: GitHubHarness, delivered: bool) -> None:
    apps, installation = harness.github.apps, harness.repository.installation_id
    granted = dict(apps.app.permissions)
    apps.set_permissions({name: level for name, level in granted.items() if name != "statuses"})
    apps.accept_permissions(installation, by="ben")
    head = (await harness.pull()).head_sha
    with pytest.raises(Rejected, match="statuses=read"):
        await harness.app.checks.ci(harness.repository, head)
    apps.set_permissions(granted)
    apps.accept_permissions(installation, by="ben")
    if delivered:
        await DeliveryRecorder(_Recorder(), harness.app, lambda: None).record(*_last_effects(harness))
    else:
        harness.clock.ahead += timedelta(minutes=2)
    await harness.app.checks.ci(harness.repository, head)


async def test_rerun_on_a_fork_reaches_its_preview(harness: GitHubHarness) -> None:
    pull = await harness.pull()
    await harness.report(pull, ready(pull.head_sha))
    [run] = harness.github.checks.runs("acme/shop", pull.head_sha)
    harness.github.checks.rerequest(run.id, by="ben")
    _, effects = _last_effects(harness)
    assert effects == (RerunRequested(harness.repository, 1, "ben", pull.head_sha),)
    assert run.external_id == str(EnvironmentKey.preview(harness.repository.id, 1))

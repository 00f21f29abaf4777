"""The issue about a stage's drift, on GitHub with exactly the App's permissions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from bot.embedded.github import GitHubServer
from bot.embedded.github.state.records import Issue
from bot.model.drift import DriftRecord, Heal
from bot.model.environment import EnvironmentKey
from tests.contract.github_harness import FILES, GitHubHarness
from tests.unit.github.drifts import CLEAN, DRIFTED


@dataclass
class Reporting:
    """A worker that reports one stage; the record is what the store has."""

    harness: GitHubHarness
    record: DriftRecord
    saves: list[DriftRecord] = field(default_factory=list)

    async def report(self, record: DriftRecord) -> None:
        kept = replace(
            record,
            issue=self.record.issue,
            issue_digest=self.record.issue_digest,
            issue_problem=self.record.issue_problem,
        )
        self.record = kept
        await self.harness.app.drift_issues.report_drift(kept, self.harness.fence, self._save)

    async def _save(self, record: DriftRecord) -> None:
        self.saves.append(record)
        self.record = record

    @property
    def issues(self) -> list[Issue]:
        return self.harness.github.issues.of("acme/shop")


@pytest.fixture
async def reporting() -> AsyncIterator[Reporting]:
    with GitHubServer() as server:
        server.apps.set_webhook("http://127.0.0.1:1/nobody")
        server.accounts.create_organization("acme")
        server.accounts.create_user("ben")
        server.repositories.create("acme/shop", FILES)
        server.repositories.set_role("acme/shop", "ben", "write")
        server.apps.install("acme", by="ben")
        harness = GitHubHarness(server)
        key = EnvironmentKey.stage(harness.repository.id, "staging")
        yield Reporting(harness, DriftRecord(key, harness.repository))
        await harness.app.close()


def of(reporting: Reporting, record: DriftRecord) -> DriftRecord:
    return replace(record, key=reporting.record.key, repository=reporting.harness.repository)


async def test_issue_is_opened_kept_current_closed_and_reopened(reporting: Reporting):
    drifted = of(reporting, DRIFTED)
    await reporting.report(of(reporting, CLEAN))
    assert reporting.issues == [], "no issue without drift"
    await reporting.report(drifted)
    [issue] = reporting.issues
    assert (issue.number, issue.state) == (reporting.record.issue, "open")
    assert all(finding.object in (issue.body or "") for finding in drifted.confirmed)
    await reporting.report(replace(drifted, confirmed=drifted.confirmed[:1]))
    [issue] = reporting.issues
    assert drifted.confirmed[1].object not in (issue.body or "")
    await reporting.report(of(reporting, CLEAN))
    assert [issue.state for issue in reporting.issues] == ["closed"]
    await reporting.report(drifted)
    assert [issue.state for issue in reporting.issues] == ["open"]


async def test_nothing_is_written_when_nothing_changed(reporting: Reporting):
    drifted = of(reporting, DRIFTED)
    await reporting.report(drifted)
    written = len(reporting.harness.github.requests.writes)
    assert drifted.checked_at is not None
    await reporting.report(replace(drifted, checked_at=drifted.checked_at.replace(minute=59)))
    unknown = replace(drifted, confirmed=(), unreadable=CLEAN_UNREADABLE)
    await reporting.report(unknown)
    assert len(reporting.harness.github.requests.writes) == written


async def test_issue_of_an_interrupted_run_is_found(reporting: Reporting):
    drifted = of(reporting, DRIFTED)
    await reporting.report(drifted)
    reporting.record = reporting.saves[0]
    assert reporting.record.issue == 0
    await reporting.harness.restart()
    await reporting.report(drifted)
    assert len(reporting.issues) == 1
    assert reporting.record.issue == reporting.issues[0].number


async def test_issue_of_another_user_with_our_marker_is_not_ours(reporting: Reporting):
    drifted = of(reporting, DRIFTED)
    marker = f"<!-- greenroom:drift {drifted.key} -->"
    forged = reporting.harness.github.issues.create("acme/shop", "Drift", marker, by="ben")
    reporting.record = replace(reporting.record, issue=0)
    await reporting.report(drifted)
    assert len(reporting.issues) == 2
    assert reporting.record.issue != forged.number
    assert forged.body == marker


async def test_deleted_issue_is_replaced(reporting: Reporting):
    drifted = of(reporting, DRIFTED)
    await reporting.report(drifted)
    reporting.harness.github.issues.delete("acme/shop", reporting.issues[0].number)
    await reporting.report(replace(drifted, confirmed=drifted.confirmed[:1]))
    assert [issue.state for issue in reporting.issues] == ["open"]


async def test_repository_without_issues_is_a_problem_that_is_kept(reporting: Reporting):
    reporting.harness.github.world.repository("acme/shop").has_issues = False
    await reporting.report(of(reporting, DRIFTED))
    assert "Issues has been disabled" in reporting.record.issue_problem


async def test_missing_permission_is_a_problem_that_is_kept(reporting: Reporting):
    apps, harness = reporting.harness.github.apps, reporting.harness
    apps.set_permissions({**apps.app.permissions, "issues": "read"})
    apps.accept_permissions(harness.repository.installation_id, by="ben")
    await reporting.report(of(reporting, DRIFTED))
    assert "issues=write" in reporting.record.issue_problem


async def test_repairs_are_listed_when_the_issue_is_closed(reporting: Reporting):
    drifted = of(reporting, DRIFTED)
    await reporting.report(drifted)
    assert drifted.checked_at is not None
    heal = Heal(drifted.checked_at, ("Deployment/shop",))
    await reporting.report(replace(of(reporting, CLEAN), action=drifted.action, heals=(heal,)))
    [issue] = reporting.issues
    assert issue.state == "closed"
    assert "`Deployment/shop`" in (issue.body or "")


CLEAN_UNREADABLE = DRIFTED.unreadable

"""Which writes a status takes: settled after one round, whatever came before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.github.reporter.pending_writes import COMMENT, Receipt, ReceiptEntry, Slot, WriteKind
from bot.github.reporter.plan import check_name, plan, preview_subject
from bot.github.reporter.subject import PREVIEW_CHECK
from bot.github.resources.pull_requests import read_pull_request
from bot.model.environment import CheckResult, CheckState, EndReason, EnvironmentState, Status, StatusMessage
from tests.unit.github.github_api import pull_json
from tests.unit.github.previews import KEY, URL

PUBLIC_URL = "https://greenroom.example.com/"
SUBJECT = preview_subject(KEY, read_pull_request(pull_json(), 20), PUBLIC_URL, "preview/pr-{number}")
COMMITS = ["a" * 40, "b" * 40, "c" * 40]

STATUSES = st.builds(
    Status,
    state=st.sampled_from(EnvironmentState),
    commit=st.sampled_from(COMMITS),
    live_commit=st.sampled_from([None, *COMMITS]),
    url=st.sampled_from([None, URL]),
    cause=st.sampled_from([None, StatusMessage("It has a reason.")]),
    end=st.sampled_from([None, *EndReason]),
    checks=st.lists(
        st.builds(CheckResult, st.sampled_from(["smoke", "e2e"]), st.sampled_from(CheckState)),
        max_size=2,
        unique_by=lambda result: result.name,
    ).map(tuple),
)


def _performed(receipt: Receipt, status: Status) -> Receipt:
    for number, write in enumerate(plan(KEY, SUBJECT, status, receipt)):
        id = write.id or f"{write.slot}-{number}"
        receipt = receipt.with_entry(write.slot, replace(write.entry, id=id))
    return receipt


@given(st.lists(STATUSES, max_size=8))
def test_one_round_of_writes_is_enough(statuses: list[Status]) -> None:
    receipt = Receipt()
    for status in statuses:
        receipt = _performed(receipt, status)
        assert plan(KEY, SUBJECT, status, receipt) == []
        assert Receipt.parse(receipt.dump()) == receipt
        open_checks = [slot for slot, entry in receipt.of(WriteKind.CHECK) if entry.open]
        assert all(slot.commit == status.commit for slot in open_checks), "an older head is never in progress"
        if status.state is EnvironmentState.READY and status.url:
            active = [slot.commit for slot, entry in receipt.of(WriteKind.DEPLOYMENT) if entry.open]
            assert active == [status.commit]
        if status.state in (EnvironmentState.GONE, EnvironmentState.DELETING, EnvironmentState.REFUSED):
            assert not any(entry.open for _, entry in receipt.of(WriteKind.DEPLOYMENT))
            assert open_checks == []


def test_closed_pull_request_keeps_conclusion_but_not_the_text_of_its_check() -> None:
    ready = Status(EnvironmentState.READY, commit=COMMITS[0], live_commit=COMMITS[0], url=URL)
    gone = Status(EnvironmentState.GONE, commit=COMMITS[0], end=EndReason.MERGED)
    [check] = [
        write
        for write in plan(KEY, SUBJECT, gone, _performed(Receipt(), ready))
        if write.slot.kind is WriteKind.CHECK
    ]
    assert check.fields["output"]["title"] == "Deleted: the pull request was merged"
    assert check.fields.keys() == {"detailsUrl", "output"}, "GitHub keeps status and conclusion"
    assert URL not in str(check.fields)


def test_check_of_an_older_head_is_corrected_when_the_newer_one_runs() -> None:
    old, new = COMMITS[:2]
    receipt = _performed(Receipt(), Status(EnvironmentState.READY, commit=old, live_commit=old, url=URL))
    deploying = Status(EnvironmentState.PENDING, commit=new, live_commit=old)
    assert old not in {write.slot.commit for write in plan(KEY, SUBJECT, deploying, receipt)}
    receipt = _performed(receipt, deploying)
    ready = Status(EnvironmentState.READY, commit=new, live_commit=new, url=URL)
    [check] = [
        write
        for write in plan(KEY, SUBJECT, ready, receipt)
        if write.slot == Slot(WriteKind.CHECK, old, PREVIEW_CHECK)
    ]
    assert check.fields["output"]["title"] == "Replaced by a newer commit"


def test_failed_check_is_red_in_check_run_and_deployment() -> None:
    results = (CheckResult("smoke", CheckState.FAILED, "It is down."), CheckResult("e2e", CheckState.PASSED))
    failed = Status(
        EnvironmentState.CHECKS_FAILED,
        commit=COMMITS[0],
        live_commit=COMMITS[0],
        url=URL,
        checks=results,
        cause=StatusMessage("Failed checks: `smoke`."),
    )
    writes = {(write.slot.kind, write.slot.name): write for write in plan(KEY, SUBJECT, failed, Receipt())}
    check = writes[WriteKind.CHECK, PREVIEW_CHECK].fields
    assert (check["conclusion"], check["output"]["title"]) == ("FAILURE", "Failed checks: smoke")
    assert writes[WriteKind.DEPLOYMENT, ""].fields["state"] == "FAILURE"
    assert "❌" in writes[WriteKind.COMMENT, ""].fields["body"]


def test_named_check_cannot_take_the_name_of_the_preview_check() -> None:
    assert check_name("smoke") == "greenroom/smoke"
    assert check_name("preview") != PREVIEW_CHECK


@pytest.mark.parametrize("end", [EndReason.CLOSED, EndReason.UNCONFIGURED])
def test_unconfigured_repository_gets_no_comment(end: EndReason) -> None:
    assert plan(KEY, SUBJECT, Status(EnvironmentState.GONE, commit=COMMITS[0], end=end), Receipt()) == []


def test_removed_configuration_updates_the_existing_comment() -> None:
    ready = Status(EnvironmentState.READY, commit=COMMITS[0], live_commit=COMMITS[0], url=URL)
    receipt = _performed(Receipt(), ready)
    gone = Status(
        EnvironmentState.GONE,
        commit=COMMITS[0],
        end=EndReason.UNCONFIGURED,
        cause=StatusMessage("None there."),
    )
    kinds = [write.slot.kind for write in plan(KEY, SUBJECT, gone, receipt)]
    assert kinds == [WriteKind.CHECK, WriteKind.DEPLOYMENT, WriteKind.COMMENT]


def test_receipt_drops_only_old_closed_entries() -> None:
    receipt = (
        Receipt()
        .with_entry(COMMENT, ReceiptEntry("C"))
        .with_entry(Slot(WriteKind.CHECK, "open", PREVIEW_CHECK), ReceiptEntry("open", open=True))
    )
    for number in range(100):
        receipt = receipt.with_entry(
            Slot(WriteKind.CHECK, f"{number:040}", PREVIEW_CHECK), ReceiptEntry(str(number), "d", open=False)
        )
    commits = [slot.commit for slot, _ in receipt.of(WriteKind.CHECK)]
    assert len(commits) == 40
    assert "open" in commits
    assert f"{99:040}" in commits
    assert COMMENT in receipt.entries
    assert len(receipt.dump()) < 10_000


def test_receipt_of_an_unknown_version_is_rejected() -> None:
    with pytest.raises(ValueError, match="version 2"):
        Receipt.parse('{"version": 2}')


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        (EnvironmentState.READY, True),
        (EnvironmentState.CHECKS_FAILED, True),
        (EnvironmentState.PENDING, False),
    ],
)
def test_sleeping_preview_keeps_the_conclusion_of_its_check(before: EnvironmentState, kept: bool) -> None:
    ran = Status(before, commit=COMMITS[0], live_commit=COMMITS[0], url=URL)
    asleep = Status(EnvironmentState.ASLEEP, commit=COMMITS[0])
    [check] = [
        write
        for write in plan(KEY, SUBJECT, asleep, _performed(Receipt(), ran))
        if write.slot.kind is WriteKind.CHECK
    ]
    assert check.fields["output"]["title"] == "Asleep"
    assert check.fields.get("conclusion") == (None if kept else "NEUTRAL")

"""Reading is tolerant: what is not understood asks for nothing, and nothing breaks it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bot.intake.parser import EFFECT_READERS, parse_delivery
from bot.intake.payload import InvalidPayload
from bot.model.delivery import (
    CommandPosted,
    CommitStatusChanged,
    ConfigurationChanged,
    DefaultBranchPushed,
    PermissionsAccepted,
    PullRequestHint,
    RepositoryRemoved,
    RerunRequested,
    ResyncRequested,
    WebhookEffect,
)
from tests.webhooks import NAMES, changed, fixture

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def asks(event: str, body: bytes) -> Sequence[WebhookEffect]:
    return parse_delivery(event, "guid", body, NOW).effects


def pushed(branch: str, *paths: str, how: str = "modified") -> bytes:
    commit = {"id": "c", "added": [], "modified": [], "removed": [], how: list(paths)}
    return changed("push", ref=f"refs/heads/{branch}", commits=[commit])


def commented(body: str, **comment: Any) -> bytes:
    known = fixture("issue_comment.created").payload["comment"]
    return changed("issue_comment.created", comment=known | {"body": body} | comment)


@pytest.mark.parametrize(
    "body",
    [
        commented("Looks good, see /preview"),
        commented("> /preview"),
        commented("/usr/bin is where it is"),
        commented("/preview", user={"login": "dependabot[bot]", "type": "Bot"}),
        commented("/preview", id=0),
        changed("issue_comment.created", comment=None),
        changed("issue_comment.created", issue={"number": 1}),
        changed("issue_comment.created", action="edited"),
        changed("issue_comment.created", action="deleted"),
    ],
)
def test_other_comments_have_no_effect(body: bytes) -> None:
    assert asks("issue_comment", body) == ()


def test_misspelled_command_has_an_effect() -> None:
    [ask] = asks("issue_comment", commented("/prevew"))
    assert isinstance(ask, CommandPosted)


def test_push_that_changes_the_configuration() -> None:
    for how in ("added", "modified", "removed"):
        [ask] = asks("push", pushed("main", "README.md", ".greenroom.yml", how=how))
        assert isinstance(ask, ConfigurationChanged)


@pytest.mark.parametrize(
    "body",
    [
        pushed("add-quince", ".greenroom.yml"),
        changed("push", commits=None, ref="refs/heads/other"),
        changed("push", ref=...),
    ],
)
def test_push_to_another_branch_has_no_effect(body: bytes) -> None:
    assert asks("push", body) == ()


@pytest.mark.parametrize(
    "body",
    [
        pushed("main", "README.md"),
        pushed("main", "docs/.greenroom.yml"),
        changed("push", ref="refs/heads/main", commits=None),
        changed("push", ref="refs/tags/main", commits=[{"modified": [".greenroom.yml"]}]),
    ],
)
def test_push_to_the_default_branch_or_of_a_tag(body: bytes) -> None:
    [ask] = asks("push", body)
    assert isinstance(ask, DefaultBranchPushed)


def test_edited_base_has_an_effect_and_edited_title_none() -> None:
    base = {"base": {"ref": {"from": "main"}, "sha": {"from": "0" * 40}}}
    [hint] = asks("pull_request", changed("pull_request.edited", changes=base))
    assert isinstance(hint, PullRequestHint)
    assert hint.head_sha is None
    assert asks("pull_request", changed("pull_request.edited", changes={"title": {"from": "x"}})) == ()
    # A server that does not tell what changed: better once too often.
    assert len(asks("pull_request", changed("pull_request.edited", changes=...))) == 1


def rerun(**fields: Any) -> Sequence[WebhookEffect]:
    run = fixture("check_run.rerequested").payload["check_run"] | fields
    return asks("check_run", changed("check_run.rerequested", check_run=run))


def test_rerun_reads_the_preview_from_the_external_id() -> None:
    """For a fork's pull request, GitHub sends an empty `pull_requests`."""
    repository = fixture("check_run.rerequested").payload["repository"]["id"]
    for suffix in ("", "/greenroom/other"):
        [ask] = rerun(external_id=f"preview/{repository}/31{suffix}", pull_requests=[])
        assert isinstance(ask, RerunRequested)
        assert ask.number == 31


@pytest.mark.parametrize(
    "external_id",
    ["", "preview/1/31", "stage/661172494/31", "preview/661172494/0", f"preview/661172494/{2**31}", 7, None],
)
def test_rerun_without_a_preview_names_the_commit(external_id: object) -> None:
    [ask] = rerun(external_id=external_id, pull_requests=[])
    assert isinstance(ask, RerunRequested)
    head = fixture("check_run.rerequested").payload["check_run"]["head_sha"]
    assert (ask.number, ask.commit) == (None, head)
    assert rerun(external_id=external_id, head_sha="x") == ()


def test_pending_commit_status_has_no_effect() -> None:
    assert asks("status", changed("status", state="pending")) == ()
    [wake] = asks("status", changed("status", state="failure"))
    assert isinstance(wake, CommitStatusChanged)


def test_unknown_events_actions_and_fields_have_no_effect() -> None:
    for name in NAMES:
        event = fixture(name).event
        assert asks("sponsorship", changed(name)) == ()
        assert asks(event, changed(name, brand_new={"field": [1]})) == asks(event, fixture(name).body)
        if "." in name:
            assert asks(event, changed(name, action="levitated")) == ()
            assert asks(event, changed(name, action=...)) == ()


@pytest.mark.parametrize("name", sorted(EFFECT_READERS))
def test_event_without_installation_has_no_effect(name: str) -> None:
    event = fixture(name).event
    for nobody in (..., None, {}, {"id": None}, {"id": 0}, {"id": 2**64}, 7):
        assert asks(event, changed(name, installation=nobody)) == ()


def test_payloads_of_old_servers_are_read() -> None:
    old = fixture("push").payload["repository"] | {"owner": {"name": "larkfield", "email": "x@example.com"}}
    body = changed("push", repository=old, commits=[{"added": [".greenroom.yml"]}], ref="refs/heads/main")
    [ask] = asks("push", body)
    assert isinstance(ask, ConfigurationChanged)
    assert ask.repository.owner == "larkfield"
    # An installation lists its repositories without owners.
    [named] = asks("installation", changed("installation.created"))
    assert isinstance(named, ResyncRequested)
    assert named.repository.full_name == "larkfield/greengrocer"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"a string"',
        b"{",
        b"{} {}",
        b'{"a": NaN}',
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b"payload=%7B%22action%22%3A%22opened%22%7D",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_body_that_is_not_an_object_is_invalid(body: bytes) -> None:
    with pytest.raises(InvalidPayload):
        parse_delivery("pull_request", "guid", body, NOW)


def test_lone_surrogates_and_long_numbers_are_read() -> None:
    body = fixture("pull_request.opened").body.replace(b"Sell quince", b"\\ud83d half", 1)
    body = body.replace(b'"comments": 0', b'"comments": ' + b"9" * 5000)
    assert asks("pull_request", body) == asks("pull_request", fixture("pull_request.opened").body)


@pytest.mark.parametrize("field", ["action", "number", "check_run", "repository"])
def test_field_with_a_lone_surrogate_counts_as_absent(field: str) -> None:
    wrong = changed("pull_request.opened", **{field: "\ud83d"})
    assert b"\\ud83d" in wrong
    assert asks("pull_request", wrong) == asks("pull_request", changed("pull_request.opened", **{field: ...}))


_JSON: some.SearchStrategy[Any] = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=10,
)


@given(name=some.sampled_from(sorted(EFFECT_READERS)), data=some.data())
def test_field_of_another_type_counts_as_absent(name: str, data: some.DataObject) -> None:
    """Wherever the strange value stands, whole and sensible asks come out, or none."""
    payload = fixture(name).payload
    place: Any = payload
    while True:
        key = data.draw(some.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], dict | list) and place[key]) or data.draw(some.booleans()):
            break
        place = place[key]
    place[key] = data.draw(_JSON)
    for ask in asks(fixture(name).event, json.dumps(payload).encode()):
        assert_sensible(ask)


@given(event=some.sampled_from(sorted({name.partition(".")[0] for name in EFFECT_READERS})), value=_JSON)
def test_any_object_is_read(event: str, value: Any) -> None:
    try:
        found = asks(event, json.dumps({"action": "opened", "repository": value, "x": value}).encode())
    except InvalidPayload:
        raise AssertionError(f"{value!r} stands in an object") from None
    assert found == ()


@given(body=some.binary(max_size=300))
def test_any_bytes_are_read_or_invalid(body: bytes) -> None:
    with contextlib.suppress(InvalidPayload):
        parse_delivery("pull_request", "guid", body, NOW)


def assert_sensible(ask: WebhookEffect) -> None:
    """What the store can take."""
    match ask:
        case CommitStatusChanged(repository_id, sha):
            assert 0 < repository_id < 2**63
            assert len(sha) in (40, 64)
            return
        case RepositoryRemoved(installation_id, repository_id, _):
            assert 0 < installation_id < 2**63
            assert repository_id is None or 0 < repository_id < 2**63
            return
        case PermissionsAccepted(installation_id):
            assert 0 < installation_id < 2**63
            return
        case PullRequestHint(_, number, head, _):
            assert 0 < number < 2**31
            assert head is None or len(head) in (40, 64)
    repository = ask.repository
    assert 0 < repository.id < 2**63
    assert 0 < repository.installation_id < 2**63
    for text in (repository.owner, repository.name):
        assert text
        assert "\x00" not in text
        text.encode()

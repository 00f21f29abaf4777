"""The parser is tolerant: unknown events and fields have no effect and raise no error."""

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


def effects(event: str, body: bytes) -> Sequence[WebhookEffect]:
    return parse_delivery(event, "guid", body, NOW).effects


def pushed(branch: str, *paths: str, how: str = "modified") -> bytes:
    commit = {"id": "c", "added": [], "modified": [], "removed": [], how: list(paths)}
    return changed("push", ref=f"refs/heads/{branch}", commits=[commit])


def commented(body: str, **comment: Any) -> bytes:
    template = fixture("issue_comment.created").payload["comment"]
    return changed("issue_comment.created", comment=template | {"body": body} | comment)


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
    assert effects("issue_comment", body) == ()


def test_misspelled_command_has_an_effect() -> None:
    [effect] = effects("issue_comment", commented("/prevew"))
    assert isinstance(effect, CommandPosted)


def test_push_that_changes_the_configuration() -> None:
    for how in ("added", "modified", "removed"):
        [effect] = effects("push", pushed("main", "README.md", ".greenroom.yml", how=how))
        assert isinstance(effect, ConfigurationChanged)


@pytest.mark.parametrize(
    "body",
    [
        pushed("add-quince", ".greenroom.yml"),
        changed("push", commits=None, ref="refs/heads/other"),
        changed("push", ref=...),
    ],
)
def test_push_to_another_branch_has_no_effect(body: bytes) -> None:
    assert effects("push", body) == ()


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
    [effect] = effects("push", body)
    assert isinstance(effect, DefaultBranchPushed)


def test_edited_base_has_an_effect_and_edited_title_none() -> None:
    base = {"base": {"ref": {"from": "main"}, "sha": {"from": "0" * 40}}}
    [hint] = effects("pull_request", changed("pull_request.edited", changes=base))
    assert isinstance(hint, PullRequestHint)
    assert hint.head_sha is None
    assert effects("pull_request", changed("pull_request.edited", changes={"title": {"from": "x"}})) == ()
    # A server that omits the changed fields: an extra run does no harm.
    assert len(effects("pull_request", changed("pull_request.edited", changes=...))) == 1


def rerun(**fields: Any) -> Sequence[WebhookEffect]:
    run = fixture("check_run.rerequested").payload["check_run"] | fields
    return effects("check_run", changed("check_run.rerequested", check_run=run))


def test_rerun_reads_the_preview_from_the_external_id() -> None:
    """For a fork's pull request, GitHub sends an empty `pull_requests`."""
    repository = fixture("check_run.rerequested").payload["repository"]["id"]
    for suffix in ("", "/greenroom/other"):
        [effect] = rerun(external_id=f"preview/{repository}/31{suffix}", pull_requests=[])
        assert isinstance(effect, RerunRequested)
        assert effect.number == 31


@pytest.mark.parametrize(
    "external_id",
    ["", "preview/1/31", "stage/661172494/31", "preview/661172494/0", f"preview/661172494/{2**31}", 7, None],
)
def test_rerun_without_a_preview_names_the_commit(external_id: object) -> None:
    [effect] = rerun(external_id=external_id, pull_requests=[])
    assert isinstance(effect, RerunRequested)
    head = fixture("check_run.rerequested").payload["check_run"]["head_sha"]
    assert (effect.number, effect.commit) == (None, head)
    assert rerun(external_id=external_id, head_sha="x") == ()


def test_pending_commit_status_has_no_effect() -> None:
    assert effects("status", changed("status", state="pending")) == ()
    [effect] = effects("status", changed("status", state="failure"))
    assert isinstance(effect, CommitStatusChanged)


def test_unknown_events_actions_and_fields_have_no_effect() -> None:
    for name in NAMES:
        event = fixture(name).event
        assert effects("sponsorship", changed(name)) == ()
        assert effects(event, changed(name, brand_new={"field": [1]})) == effects(event, fixture(name).body)
        if "." in name:
            assert effects(event, changed(name, action="levitated")) == ()
            assert effects(event, changed(name, action=...)) == ()


@pytest.mark.parametrize("name", sorted(EFFECT_READERS))
def test_event_without_installation_has_no_effect(name: str) -> None:
    event = fixture(name).event
    for absent in (..., None, {}, {"id": None}, {"id": 0}, {"id": 2**64}, 7):
        assert effects(event, changed(name, installation=absent)) == ()


def test_payloads_of_old_servers_are_read() -> None:
    old = fixture("push").payload["repository"] | {"owner": {"name": "larkfield", "email": "x@example.com"}}
    body = changed("push", repository=old, commits=[{"added": [".greenroom.yml"]}], ref="refs/heads/main")
    [effect] = effects("push", body)
    assert isinstance(effect, ConfigurationChanged)
    assert effect.repository.owner == "larkfield"
    # An installation lists its repositories without owners.
    [named] = effects("installation", changed("installation.created"))
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
    assert effects("pull_request", body) == effects("pull_request", fixture("pull_request.opened").body)


@pytest.mark.parametrize("field", ["action", "number", "check_run", "repository"])
def test_field_with_a_lone_surrogate_counts_as_absent(field: str) -> None:
    wrong = changed("pull_request.opened", **{field: "\ud83d"})
    assert b"\\ud83d" in wrong
    assert effects("pull_request", wrong) == effects(
        "pull_request", changed("pull_request.opened", **{field: ...})
    )


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
    """A value of another type anywhere gives complete effects or none."""
    payload = fixture(name).payload
    place: Any = payload
    while True:
        key = data.draw(some.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], dict | list) and place[key]) or data.draw(some.booleans()):
            break
        place = place[key]
    place[key] = data.draw(_JSON)
    for effect in effects(fixture(name).event, json.dumps(payload).encode()):
        assert_sensible(effect)


@given(event=some.sampled_from(sorted({name.partition(".")[0] for name in EFFECT_READERS})), value=_JSON)
def test_any_object_is_read(event: str, value: Any) -> None:
    try:
        result = effects(event, json.dumps({"action": "opened", "repository": value, "x": value}).encode())
    except InvalidPayload:
        raise AssertionError(f"{value!r} is inside an object") from None
    assert result == ()


@given(body=some.binary(max_size=300))
def test_any_bytes_are_read_or_invalid(body: bytes) -> None:
    with contextlib.suppress(InvalidPayload):
        parse_delivery("pull_request", "guid", body, NOW)


def assert_sensible(effect: WebhookEffect) -> None:
    """Fails unless the store accepts every value of the effect."""
    match effect:
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
    repository = effect.repository
    assert 0 < repository.id < 2**63
    assert 0 < repository.installation_id < 2**63
    for text in (repository.owner, repository.name):
        assert text
        assert "\x00" not in text
        text.encode()

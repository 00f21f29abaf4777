"""Deliveries are signed and recorded, and faults change them."""

from __future__ import annotations

import hashlib
import hmac

from bot.embedded.github import GitHubServer
from tests.unit.embedded_github.conftest import Client
from tests.unit.embedded_github.receiver import Receiver

SHOP = "acme/shop"


def _connected(github: GitHubServer, receiver: Receiver) -> None:
    github.apps.set_webhook(receiver.url)
    github.wait_idle()
    receiver.received.clear()


def test_delivery_is_signed(github: GitHubServer, client: Client, receiver: Receiver, pull: int) -> None:
    _connected(github, receiver)
    github.comments.create(SHOP, pull, "/preview", by="ben")
    github.wait_idle()
    [delivery] = receiver.received
    secret = github.credentials.webhook_secret.encode()
    signature = "sha256=" + hmac.new(secret, delivery.body, hashlib.sha256).hexdigest()
    assert delivery.headers["x-hub-signature-256"] == signature
    assert delivery.headers["x-github-event"] == "issue_comment"
    assert delivery.headers["x-github-hook-installation-target-type"] == "integration"
    assert delivery.headers["x-github-hook-installation-target-id"] == str(github.credentials.app_id)
    assert delivery.headers["user-agent"].startswith("GitHub-Hookshot/")
    assert delivery.payload["comment"]["body"] == "/preview"
    assert delivery.payload["installation"]["id"] in github.world.state.installations


def test_app_receives_events_of_its_installations_only(github: GitHubServer, receiver: Receiver) -> None:
    github.accounts.create_organization("elsewhere", admins=("ada",))
    github.repositories.create("elsewhere/shop")
    github.apps.set_webhook(receiver.url)
    github.repositories.push("elsewhere/shop", "main", {"a": "1"}, by="ada")
    github.repositories.push(SHOP, "main", {"a": "1"}, by="ada")
    github.wait_idle()
    assert receiver.names() == ["ping"]


def test_suspended_installation_receives_nothing(
    github: GitHubServer, client: Client, receiver: Receiver
) -> None:
    [installation] = github.world.state.installations
    _connected(github, receiver)
    github.apps.suspend(installation, by="ada")
    github.repositories.push(SHOP, "main", {"a": "1"}, by="ada")
    github.apps.unsuspend(installation, by="ada")
    github.wait_idle()
    assert sorted(receiver.names()) == ["installation.suspend", "installation.unsuspend"]


def test_synchronize_event_has_both_commits(
    github: GitHubServer, client: Client, receiver: Receiver, pull: int
) -> None:
    before = github.pulls.get(SHOP, pull).head_sha
    _connected(github, receiver)
    after = github.repositories.push(SHOP, "price", {"src/app.py": "print(3)\n"}, by="ben")
    github.wait_idle()
    payload = receiver.last("pull_request.synchronize").payload
    assert (payload["before"], payload["after"]) == (before, after)
    assert payload["pull_request"]["head"]["sha"] == after
    assert receiver.last("push").payload["commits"][0]["modified"] == ["src/app.py"]


def test_failed_delivery_can_be_redelivered(
    github: GitHubServer, client: Client, receiver: Receiver, pull: int
) -> None:
    _connected(github, receiver)
    receiver.status = 503
    github.comments.create(SHOP, pull, "/preview", by="ben")
    github.wait_idle()
    assert len(receiver.received) == 1  # GitHub does not retry automatically
    failed = client.as_app("GET", "app/hook/deliveries").json()[0]
    assert (failed["status_code"], failed["status"]) == (503, "Invalid HTTP Response: 503")

    receiver.status = 202
    answer = client.as_app("POST", f"app/hook/deliveries/{failed['id']}/attempts")
    github.wait_idle()
    assert answer.status_code == 202
    again = client.as_app("GET", "app/hook/deliveries").json()[0]
    assert (again["guid"], again["redelivery"], again["status"]) == (failed["guid"], True, "OK")
    assert receiver.received[0].body == receiver.received[1].body


def test_deliveries_are_paged_by_a_cursor(github: GitHubServer, client: Client) -> None:
    github.apps.set_webhook("http://127.0.0.1:9/")
    for number in range(5):
        github.repositories.push(SHOP, "main", {"a": str(number)}, by="ada")
    github.wait_idle()
    seen: list[int] = []
    path = "app/hook/deliveries?per_page=4"
    while path:
        answer = client.as_app("GET", path)
        seen += [delivery["id"] for delivery in answer.json()]
        path = answer.links.get("next", {}).get("url", "").removeprefix(github.api_url)
    assert seen == sorted(github.world.state.deliveries, reverse=True)
    assert len(seen) > 8


def test_dropped_delivery_is_recorded_unless_vanished(
    github: GitHubServer, client: Client, receiver: Receiver, pull: int
) -> None:
    _connected(github, receiver)
    github.faults.add("drop", times=1, event="issue_comment")
    github.faults.add("vanish", times=1, event="issue_comment")
    for body in ("one", "two", "three"):
        github.comments.create(SHOP, pull, body, by="ben")
    github.wait_idle()
    assert [r.payload["comment"]["body"] for r in receiver.received] == ["three"]
    statuses = [d["status_code"] for d in client.as_app("GET", "app/hook/deliveries").json()[:2]]
    assert statuses == [202, 502]


def test_deliveries_are_doubled_delayed_and_reordered(
    github: GitHubServer, client: Client, receiver: Receiver, pull: int
) -> None:
    _connected(github, receiver)
    github.faults.add("double", times=1)
    github.comments.create(SHOP, pull, "twice", by="ben")
    github.wait_idle()
    assert [r.headers["x-github-delivery"] for r in receiver.received][0:1] * 2 == [
        r.headers["x-github-delivery"] for r in receiver.received
    ]

    receiver.received.clear()
    github.faults.add("reorder", times=2)
    github.pulls.close(SHOP, pull, by="ben")
    github.pulls.reopen(SHOP, pull, by="ben")
    github.wait_idle()
    assert receiver.names() == ["pull_request.reopened", "pull_request.closed"]

    receiver.received.clear()
    github.faults.add("delay", times=1, seconds=0.3)
    github.comments.create(SHOP, pull, "late", by="ben")
    github.comments.create(SHOP, pull, "soon", by="ben")
    github.wait_idle()
    assert [r.payload["comment"]["body"] for r in receiver.received] == ["soon", "late"]


def test_burst_is_delivered_completely(
    github: GitHubServer, client: Client, receiver: Receiver, pull: int
) -> None:
    _connected(github, receiver)
    for number in range(150):
        github.comments.create(SHOP, pull, str(number), by="ben")
    github.wait_idle(30)
    assert {r.payload["comment"]["body"] for r in receiver.received} == {str(n) for n in range(150)}
    assert {d.status for d in github.world.state.deliveries.values()} == {"OK"}

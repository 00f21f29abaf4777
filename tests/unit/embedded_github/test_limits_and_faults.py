"""Rate limits, conditional requests and faults."""

from __future__ import annotations

import time

import httpx

from bot.embedded.github import GitHubServer
from tests.unit.embedded_github.conftest import Client

SHOP = "repos/acme/shop"


def _remaining(answer: httpx.Response) -> int:
    return int(answer.headers["x-ratelimit-remaining"])


def test_unchanged_response_is_free(client: Client, github: GitHubServer) -> None:
    first = client.get(SHOP)
    again = client.get(SHOP, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert _remaining(again) == _remaining(first)
    github.repositories.push("acme/shop", "main", {"a": "1"}, by="ada")
    changed = client.get(f"{SHOP}/branches/main", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert _remaining(changed) == _remaining(first) - 1


def test_etag_depends_on_the_token(client: Client) -> None:
    first = client.get(SHOP)
    client.authorize()
    assert client.get(SHOP, headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_rate_limit_is_enforced(client: Client, github: GitHubServer) -> None:
    github.settings.rate_limit = 2
    assert [_remaining(client.get(SHOP)) for _ in range(2)] == [1, 0]
    refused = client.get(SHOP)
    assert refused.status_code == 403
    assert refused.json()["message"].startswith("API rate limit exceeded for installation ID")
    assert int(refused.headers["x-ratelimit-reset"]) > time.time()


def test_secondary_limit_has_retry_after(client: Client, github: GitHubServer) -> None:
    github.faults.add("secondary_limit", times=1, method="POST", seconds=7, status=429)
    assert client.get(SHOP).status_code == 200
    refused = client.post(f"{SHOP}/issues/1/comments", body="Hello")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert "secondary rate limit" in refused.json()["message"]


def test_fault_can_fail_a_completed_post(client: Client, github: GitHubServer, pull: int) -> None:
    github.faults.add("error_after", times=1, method="POST", path="/comments$")
    answer = client.post(f"{SHOP}/issues/{pull}/comments", body="Hello")
    assert answer.status_code == 502
    assert [c.body for c in github.comments.on("acme/shop", pull)] == ["Hello"]


def test_fault_before_the_request_changes_nothing(client: Client, github: GitHubServer, pull: int) -> None:
    github.faults.add("error", times=1, status=500)
    assert client.post(f"{SHOP}/issues/{pull}/comments", body="Hello").status_code == 500
    assert github.comments.on("acme/shop", pull) == []


def test_faults_are_set_over_http(client: Client, github: GitHubServer) -> None:
    faults = f"{github.url}/_faults"
    asked = httpx.post(faults, json={"kind": "hang", "seconds": 0.2, "times": 1}, trust_env=False)
    assert asked.json()[0]["kind"] == "hang"
    start = time.monotonic()
    assert client.get(SHOP).status_code == 200
    assert time.monotonic() - start >= 0.2
    assert httpx.post(faults, json={"kind": "earthquake"}, trust_env=False).status_code == 422
    httpx.post(faults, json={"kind": "outage"}, trust_env=False)
    assert client.get(SHOP).status_code == 503
    assert httpx.get(github.url, trust_env=False).status_code == 503
    assert httpx.delete(faults, trust_env=False).json() == []
    assert client.get(SHOP).status_code == 200


def test_fault_returns_empty_lists(client: Client, github: GitHubServer, pull: int) -> None:
    github.faults.add("empty_lists")
    assert client.get(f"{SHOP}/pulls").json() == []
    assert client.get("installation/repositories").json()["total_count"] == 0
    github.faults.clear()
    assert len(client.get(f"{SHOP}/pulls").json()) == 1


def test_fault_revokes_tokens(client: Client, github: GitHubServer) -> None:
    github.faults.add("revoke_tokens", times=1)
    assert client.get(SHOP).status_code == 401
    client.authorize()
    assert client.get(SHOP).status_code == 200


def test_server_stops_while_a_request_hangs() -> None:
    with GitHubServer() as server:
        server.faults.add("hang", seconds=60)
        try:
            httpx.get(f"{server.api_url}/app", timeout=0.1, trust_env=False)
        except httpx.TimeoutException:
            start = time.monotonic()
    assert time.monotonic() - start < 3


def test_request_log_counts_calls_and_writes(client: Client, github: GitHubServer, pull: int) -> None:
    github.requests.clear()
    client.authorize()
    client.get(f"{SHOP}/pulls/{pull}")
    client.post(f"{SHOP}/issues/{pull}/comments", body="Hello")
    assert [(e.method, e.status) for e in github.requests.calls()] == [
        ("POST", 201),
        ("GET", 200),
        ("POST", 201),
    ]
    assert [e.path for e in github.requests.writes] == [f"/{SHOP}/issues/{pull}/comments"]
    assert len(github.requests.calls("GET", "/pulls/")) == 1


def test_repository_is_found_by_id(client: Client, github: GitHubServer) -> None:
    [repository] = github.world.state.repositories.values()
    assert client.get(f"repositories/{repository.id}").json()["full_name"] == "acme/shop"
    assert client.get(f"repositories/{repository.id}/branches/main").json()["name"] == "main"
    assert client.get("repositories/1").status_code == 404


def test_errors_are_json(client: Client) -> None:
    answer = client.get("no/such/thing")
    assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")
    answer = client.http.post(f"{SHOP}/deployments", content=b"{not json")
    assert (answer.status_code, answer.json()["message"]) == (400, "Problems parsing JSON")


def test_request_log_counts_graphql(client: Client, github: GitHubServer) -> None:
    github.requests.clear()
    answer = client.http.post(f"{github.url}/api/graphql", json={"query": "{ viewer { login } }"})
    assert answer.json() == {"data": {"viewer": {"login": "greenroom[bot]"}}}
    assert [(e.method, e.path) for e in github.requests.calls()] == [("POST", "/graphql")]

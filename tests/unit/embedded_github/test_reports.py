"""Check runs, statuses, deployments and comments follow GitHub's rules."""

from __future__ import annotations

import pytest

from bot.embedded.github import GitHubError, GitHubServer
from bot.embedded.github.state.results import CheckRun
from tests.unit.embedded_github.conftest import Client
from tests.unit.embedded_github.receiver import Receiver

NAME = "acme/shop"
SHOP = f"repos/{NAME}"


def _head(github: GitHubServer, pull: int) -> str:
    return github.pulls.get(NAME, pull).head_sha


def _check_run(github: GitHubServer, sha: str, **fields: object) -> CheckRun:
    app = github.apps.app
    return github.checks.create_run(NAME, sha, "greenroom", app=app.slug, by=app.bot_login, fields=fields)


def test_check_run_goes_from_queued_to_completed(
    github: GitHubServer, client: Client, receiver: Receiver, pull: int
) -> None:
    github.apps.set_webhook(receiver.url)
    run = _check_run(github, _head(github, pull))
    assert (run.status, run.conclusion) == ("queued", None)
    output = {"title": "Ready", "summary": "All is well", "text": "Details"}
    github.checks.update_run(run, {"conclusion": "success", "output": output}, by="greenroom[bot]")
    assert (run.status, run.conclusion, run.output.title) == ("completed", "success", "Ready")
    github.checks.update_run(run, {"status": "in_progress"}, by="greenroom[bot]")
    assert (run.status, run.conclusion, run.completed_at) == ("in_progress", None, None)
    github.wait_idle()
    names = [name for name in receiver.names() if name.startswith("check_")]
    assert sorted(names) == ["check_run.completed", "check_run.created", "check_suite.completed"]


def test_latest_check_run_of_a_name_is_listed(github: GitHubServer, client: Client, pull: int) -> None:
    sha = _head(github, pull)
    runs = [_check_run(github, sha) for _ in range(2)]
    github.checks.ci(NAME, sha, "failure")
    path = f"{SHOP}/commits/{sha}/check-runs"
    assert [run["name"] for run in client.get(path).json()["check_runs"]] == ["build", "greenroom"]
    named = client.get(f"{path}?check_name=greenroom").json()["check_runs"]
    assert [run["id"] for run in named] == [runs[-1].id]
    assert client.get(f"{path}?filter=all").json()["total_count"] == 3
    app_id = github.credentials.app_id
    assert client.get(f"{path}?app_id={app_id}").json()["total_count"] == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"status": "completed"}, '"conclusion" wasn\'t supplied'),
        ({"conclusion": "splendid"}, '"splendid" is not a possible value'),
        ({"output": {"title": "only"}}, '"summary" wasn\'t supplied'),
        ({"output": {"summary": "x" * 65_536}}, "Validation Failed"),
        ({"output": {"summary": "ü" * 32_768}}, "Validation Failed"),
    ],
)
def test_invalid_check_run_is_rejected(
    github: GitHubServer, pull: int, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(GitHubError, match=message):
        _check_run(github, _head(github, pull), **fields)
    assert github.checks.runs(NAME, _head(github, pull)) == []


def test_check_run_of_an_unknown_commit_is_rejected(github: GitHubServer) -> None:
    with pytest.raises(GitHubError, match="No commit found for SHA"):
        _check_run(github, "f" * 40)


def test_combined_status_is_the_worst_of_the_latest(github: GitHubServer, client: Client, pull: int) -> None:
    sha = _head(github, pull)
    path = f"{SHOP}/commits/{sha}/status"
    assert client.get(path).json()["state"] == "pending"
    for state in ("pending", "success"):
        github.checks.set_status(NAME, sha, state, by="ben", context="lint")
    assert client.get(path).json()["state"] == "success"
    github.checks.set_status(NAME, sha, "error", by="ben", context="build")
    answer = client.get(path).json()
    assert (answer["state"], answer["total_count"]) == ("failure", 2)


def _deploy(client: Client, ref: str, **changed: object) -> dict[str, object]:
    body = {
        "ref": ref,
        "auto_merge": False,
        "required_contexts": [],
        "environment": "preview/1",
        "transient_environment": True,
    }
    answer = client.post(f"{SHOP}/deployments", **(body | changed))
    return answer.json() | {"code": answer.status_code}


def test_deployment_is_refused_on_conflicts_and_failed_checks(
    github: GitHubServer, client: Client, pull: int
) -> None:
    sha = _head(github, pull)
    assert _deploy(client, "nowhere")["message"] == "No ref found for: nowhere"
    github.checks.ci(NAME, sha, "failure")
    waiting = _deploy(client, sha, required_contexts=None)
    assert waiting["code"] == 409
    assert waiting["message"] == f"Conflict: Commit status checks failed for {sha}."
    github.repositories.push(NAME, "main", {"README.md": "# New\n"}, by="ada")
    behind = _deploy(client, "price", auto_merge=True)
    assert (behind["code"], behind["message"]) == (409, "Conflict merging main into price.")
    assert _deploy(client, sha)["code"] == 201


def test_success_retires_older_deployments_on_request(
    github: GitHubServer, client: Client, pull: int
) -> None:
    sha = _head(github, pull)

    def succeed(deployment: dict[str, object], **changed: object) -> None:
        path = f"{SHOP}/deployments/{deployment['id']}/statuses"
        assert client.post(path, state="success", **changed).status_code == 201

    def states(environment: str) -> list[str]:
        return [d.state for d in github.deployments.of(NAME, environment)]

    for environment, transient in (("preview/1", True), ("uat", False)):
        older = _deploy(client, sha, environment=environment, transient_environment=transient)
        newer = _deploy(client, sha, environment=environment, transient_environment=transient)
        succeed(older)
        succeed(newer, auto_inactive=environment == "uat")
    assert states("preview/1") == ["success", "success"]
    assert states("uat") == ["inactive", "success"]


def test_deployment_statuses_are_listed_newest_first(github: GitHubServer, client: Client, pull: int) -> None:
    made = _deploy(client, _head(github, pull))
    path = f"{SHOP}/deployments/{made['id']}/statuses"
    client.post(path, state="in_progress", environment_url="http://pr-1.localhost")
    client.post(path, state="success")
    listed = client.get(path).json()
    assert [s["state"] for s in listed] == ["success", "in_progress"]
    assert listed[0]["environment_url"] == "http://pr-1.localhost"
    long = client.post(path, state="success", description="x" * 141)
    assert (long.status_code, long.json()["message"].splitlines()[-1]) == (
        422,
        "Only 140 characters are allowed; 141 were supplied.",
    )
    assert client.get(f"{SHOP}/environments/preview/1").json()["name"] == "preview/1"


def test_comment_of_the_bot_has_length_limits(github: GitHubServer, client: Client, pull: int) -> None:
    path = f"{SHOP}/issues/{pull}/comments"
    made = client.post(path, body="**Ready**").json()
    assert (made["user"]["login"], made["user"]["type"]) == ("greenroom[bot]", "Bot")
    assert made["performed_via_github_app"]["id"] == github.credentials.app_id
    blank, long = client.post(path, body="  "), client.post(path, body="x" * 65_537)
    assert blank.json()["errors"][0]["message"] == "Body cannot be blank"
    assert long.json()["errors"][0]["message"] == "Body is too long (maximum is 65536 characters)"
    assert client.post(path).json()["message"] == 'Invalid request.\n\n"body" wasn\'t supplied.'
    assert client.get(f"{SHOP}/issues/comments/{made['id']}").json()["body"] == "**Ready**"


def test_reaction_is_created_once(github: GitHubServer, client: Client, pull: int) -> None:
    comment = github.comments.create(NAME, pull, "/preview", by="ben")
    path = f"{SHOP}/issues/comments/{comment.id}/reactions"
    assert [client.post(path, content="eyes").status_code for _ in range(2)] == [201, 200]
    assert client.post(path, content="shrug").status_code == 422
    rollup = client.get(f"{SHOP}/issues/comments/{comment.id}").json()["reactions"]
    assert (rollup["eyes"], rollup["total_count"]) == (1, 1)


def test_lists_are_paged_with_links(github: GitHubServer, client: Client, pull: int) -> None:
    for number in range(5):
        github.comments.create(NAME, pull, str(number), by="ben")
    first = client.get(f"{SHOP}/issues/{pull}/comments?per_page=2")
    assert set(first.links) == {"next", "last"}
    seen = [c["body"] for c in first.json()]
    page = first
    while "next" in page.links:
        page = client.get(page.links["next"]["url"].removeprefix(github.api_url))
        seen += [c["body"] for c in page.json()]
    assert seen == ["0", "1", "2", "3", "4"]
    assert set(page.links) == {"prev", "first"}


def test_pull_requests_are_listed_by_state_and_order(github: GitHubServer, client: Client, pull: int) -> None:
    for branch in ("second", "third"):
        github.repositories.push(NAME, branch, {branch: "1"}, by="ben")
        github.pulls.open(NAME, branch, by="ben")
    github.pulls.close(NAME, 2, by="ben")
    github.pulls.edit(NAME, 1, by="ben", title="Touched last")

    def numbers(query: str) -> list[int]:
        return [p["number"] for p in client.get(f"{SHOP}/pulls?{query}").json()]

    assert numbers("") == [3, 1]
    assert numbers("state=all&direction=asc") == [1, 2, 3]
    assert numbers("state=all&sort=updated&direction=desc") == [1, 2, 3]
    assert numbers("state=closed") == [2]
    assert numbers("head=acme:third") == [3]

"""Plain and annotated tags, and the commits of a path."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bot.embedded.github import GitHubServer
from tests.unit.embedded_github.conftest import Client
from tests.unit.embedded_github.receiver import Receiver

SHOP = "acme/shop"


def test_plain_tag_refers_to_its_commit(github: GitHubServer, client: Client) -> None:
    commit = github.repositories.tag(SHOP, "v1", by="ada")
    value = client.get(f"repos/{SHOP}/git/ref/tags/v1").json()
    assert value["ref"] == "refs/tags/v1"
    assert (value["object"]["type"], value["object"]["sha"]) == ("commit", commit)
    assert client.get(f"repos/{SHOP}/git/ref/tags/v2").status_code == 404
    assert client.get(f"repos/{SHOP}/git/tags/{commit}").status_code == 404


def test_annotated_tag_is_an_object(github: GitHubServer, client: Client) -> None:
    commit = github.repositories.tag(SHOP, "v1", by="ada", message="The first")
    value = client.get(f"repos/{SHOP}/git/ref/tags/v1").json()["object"]
    assert value["type"] == "tag"
    tag = client.get(f"repos/{SHOP}/git/tags/{value['sha']}").json()
    assert (tag["tag"], tag["message"], tag["object"]["sha"]) == ("v1", "The first", commit)
    assert client.get(f"repos/{SHOP}/commits/v1").json()["sha"] == commit
    assert client.get(f"repos/{SHOP}/tarball/refs/tags/v1", follow_redirects=False).status_code == 302


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git itself")
def test_annotated_tag_has_the_sha_of_git(github: GitHubServer, tmp_path: Path) -> None:
    github.repositories.tag(SHOP, "v1", by="ada", message="The first")
    [tag] = github.world.git(github.world.repository(SHOP)).tags.values()
    signature = f"{tag.tagger.name} <{tag.tagger.email}> {int(tag.tagger.at.timestamp())} +0000"
    body = f"object {tag.commit}\ntype commit\ntag v1\ntagger {signature}\n\nThe first"

    def git(*words: str, given: str = "") -> str:
        done = subprocess.run(
            ["git", *words], cwd=tmp_path, input=given, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "-q")
    assert git("hash-object", "-t", "tag", "--stdin", "--literally", given=body) == tag.sha


def test_tag_push_is_delivered(github: GitHubServer, client: Client, receiver: Receiver) -> None:
    github.apps.set_webhook(receiver.url)
    commit = github.repositories.tag(SHOP, "v1", by="ada")
    github.deliveries.wait_idle(10)
    pushed = receiver.last("push").payload
    assert (pushed["ref"], pushed["after"], pushed["created"]) == ("refs/tags/v1", commit, True)
    assert pushed["commits"] == []


def test_commits_of_a_path_are_those_that_changed_it(github: GitHubServer, client: Client, pull: int) -> None:
    first = client.get(f"repos/{SHOP}/commits", params={"path": "README.md"}).json()[-1]["sha"]
    second = github.repositories.push(SHOP, "main", {"README.md": "# Ours\n"}, by="ben")
    github.repositories.push(SHOP, "main", {"NOTES.md": "1\n"}, by="ada")
    github.pulls.merge(SHOP, pull, by="ada")
    value = client.get(f"repos/{SHOP}/commits", params={"path": "README.md"}).json()
    assert [item["sha"] for item in value] == [second, first]
    assert value[0]["author"]["login"] == "ben"
    assert client.get(f"repos/{SHOP}/commits", params={"path": "nowhere"}).json() == []

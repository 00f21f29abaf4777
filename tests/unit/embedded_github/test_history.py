"""Commits, merges and comparisons match git."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bot.embedded.github import EXECUTABLE, SYMLINK, File, GitHubError, GitHubServer
from tests.unit.embedded_github.conftest import Client

SHOP = "acme/shop"


def _tree(github: GitHubServer, ref: str) -> str:
    repository = github.world.repository(SHOP)
    return github.world.git(repository).commits[github.world.commit_sha(repository, ref)].tree


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git itself")
def test_tree_has_the_sha_of_git(github: GitHubServer, tmp_path: Path) -> None:
    github.repositories.push(
        SHOP,
        "main",
        {
            "run.sh": File(b"#!/bin/sh\n", EXECUTABLE),
            "deploy.yaml": b"a file that sorts before the folder deploy\n",
            "src/link": File(b"app.py", SYMLINK),
            "häuser/ß.txt": "ü\n",
        },
        by="ada",
    )
    for path, content in (
        github.world.git(github.world.repository(SHOP))
        .files(github.world.repository(SHOP).branches["main"])
        .items()
    ):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "src/link").unlink()
    (tmp_path / "src/link").symlink_to("app.py")

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout

    git("init", "-q")
    git("add", "-A")
    assert git("write-tree").strip() == _tree(github, "main")


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_merge_methods_end_in_the_same_tree(github: GitHubServer, pull: int, method: str) -> None:
    github.repositories.push(SHOP, "price", {"src/new.py": "1\n"}, by="ben", message="Another")
    github.repositories.push(SHOP, "main", {"README.md": "# Our shop\n"}, by="ada")
    head = github.pulls.get(SHOP, pull).head_sha
    sha = github.pulls.merge(SHOP, pull, by="ada", method=method)  # type: ignore[arg-type]  # any of the three
    repository = github.world.repository(SHOP)
    commit = github.world.git(repository).commits[sha]
    files = github.world.git(repository).files(sha)
    assert (files["src/app.py"], files["src/new.py"]) == (b"print(2)\n", b"1\n")
    assert files["README.md"] == b"# Our shop\n"
    assert repository.branches["main"] == sha
    assert len(commit.parents) == (2 if method == "merge" else 1)
    assert (head in commit.parents) == (method == "merge")
    merged = github.pulls.get(SHOP, pull)
    assert (merged.state, merged.merged_by, merged.merge_commit_sha) == ("closed", "ada", sha)


def test_rebase_creates_a_new_commit(github: GitHubServer, pull: int) -> None:
    head = github.pulls.get(SHOP, pull).head_sha
    assert github.pulls.merge(SHOP, pull, by="ben", method="rebase") != head
    assert _tree(github, "main") == _tree(github, "price")


def test_squash_keeps_the_reviewed_tree(github: GitHubServer, pull: int) -> None:
    github.pulls.merge(SHOP, pull, by="ada", method="squash")
    assert _tree(github, "main") == _tree(github, "price")


def test_conflict_is_not_mergeable(github: GitHubServer, client: Client, pull: int) -> None:
    assert client.get(f"repos/{SHOP}/pulls/{pull}").json()["mergeable_state"] == "clean"
    github.repositories.push(SHOP, "main", {"src/app.py": "print(9)\n"}, by="ada")
    assert client.get(f"repos/{SHOP}/pulls/{pull}").json()["mergeable"] is False
    with pytest.raises(GitHubError, match="not mergeable"):
        github.pulls.merge(SHOP, pull, by="ada")


def test_pull_request_survives_deletion_of_its_fork(github: GitHubServer, client: Client) -> None:
    github.accounts.create_user("eve")
    github.repositories.fork(SHOP, by="eve")
    sha = github.repositories.push("eve/shop", "patch", {"src/app.py": "print(0)\n"}, by="eve")
    number = github.pulls.open(SHOP, "eve:patch", by="eve").number
    head = client.get(f"repos/{SHOP}/pulls/{number}").json()["head"]
    assert (head["repo"]["full_name"], head["label"], head["sha"]) == ("eve/shop", "eve:patch", sha)
    assert client.get(f"repos/{SHOP}/commits/refs/pull/{number}/head").json()["sha"] == sha
    github.repositories.delete("eve/shop", by="eve")
    head = client.get(f"repos/{SHOP}/pulls/{number}").json()["head"]
    assert (head["repo"], head["sha"]) == (None, sha)


def test_comparison_counts_both_sides(github: GitHubServer, client: Client, pull: int) -> None:
    github.repositories.push(SHOP, "main", {"README.md": "# Ours\n"}, by="ada")
    github.repositories.push(SHOP, "price", {"docs/a.md": "a\n"}, by="ben")
    answer = client.get(f"repos/{SHOP}/compare/main...price").json()
    assert (answer["status"], answer["ahead_by"], answer["behind_by"]) == ("diverged", 2, 1)
    assert [f["filename"] for f in answer["files"]] == ["docs/a.md", "src/app.py"]
    assert answer["files"][1]["patch"].splitlines()[1:] == ["-print(1)", "+print(2)"]


def test_comparison_shows_moved_and_removed_files(github: GitHubServer, client: Client) -> None:
    github.repositories.push(
        SHOP, "tidy", {"app.py": "print(1)\n"}, by="ben", delete=["src/app.py", "README.md"]
    )
    files = client.get(f"repos/{SHOP}/compare/main...tidy").json()["files"]
    assert [(f["filename"], f["status"]) for f in files] == [("README.md", "removed"), ("app.py", "renamed")]
    assert files[1]["previous_filename"] == "src/app.py"


def test_contents_are_returned_raw(github: GitHubServer, client: Client) -> None:
    raw = {"Accept": "application/vnd.github.raw+json"}
    assert client.get(f"repos/{SHOP}/contents/src/app.py", headers=raw).content == b"print(1)\n"
    listed = client.get(f"repos/{SHOP}/contents/", headers=raw).json()
    assert [(entry["name"], entry["type"]) for entry in listed] == [
        ("README.md", "file"),
        ("deploy", "dir"),
        ("src", "dir"),
    ]
    assert client.get(f"repos/{SHOP}/contents/nowhere").status_code == 404
    assert client.get(f"repos/{SHOP}/contents/README.md?ref=nowhere").status_code == 404


def test_branch_names_may_have_slashes_and_unicode(github: GitHubServer, client: Client) -> None:
    name = "fäture/Ünïcode/日本"
    sha = github.repositories.push(SHOP, name, {"a": "1"}, by="ben")
    assert client.get(f"repos/{SHOP}/branches/{name}").json()["commit"]["sha"] == sha
    assert client.get(f"repos/{SHOP}/commits/{name}").json()["sha"] == sha
    assert client.get(f"repos/{SHOP}/commits/{name}/check-runs").json()["total_count"] == 0
    assert client.get(f"repos/{SHOP}/git/ref/heads/{name}").json()["object"]["sha"] == sha


def test_forced_push_moves_the_branch_back(github: GitHubServer, pull: int) -> None:
    first = github.pulls.get(SHOP, pull).head_sha
    github.repositories.push(SHOP, "price", {"src/app.py": "print(5)\n"}, by="ben")
    github.repositories.reset_branch(SHOP, "price", first, by="ben")
    assert github.pulls.get(SHOP, pull).head_sha == first
    assert [
        c.sha
        for c in github.world.git(github.world.repository(SHOP)).between(
            github.world.repository(SHOP).branches["main"], first
        )
    ] == [first]


def test_ci_builds_each_push_in_order() -> None:
    seen: list[tuple[str, str, bytes]] = []

    def build(repository: str, sha: str, files: dict[str, bytes]) -> None:
        seen.append((repository, sha, files["a"]))
        server.checks.ci(repository, sha, "success")

    with GitHubServer(on_push=build) as server:
        server.accounts.create_user("ada")
        server.repositories.create("ada/shop", {"a": "0"})
        shas = [server.repositories.push("ada/shop", "main", {"a": str(n)}, by="ada") for n in (1, 2, 3)]
        server.wait_idle()
        assert seen[0][2] == b"0"  # the first commit is built too
        assert seen[1:] == [("ada/shop", sha, str(n).encode()) for n, sha in enumerate(shas, 1)]
        assert [r.conclusion for r in server.checks.runs("ada/shop", shas[0], "build")] == ["success"]


def test_failing_ci_is_logged_and_continues(
    caplog: pytest.LogCaptureFixture,
) -> None:
    built: list[str] = []

    def build(_repository: str, sha: str, _files: dict[str, bytes]) -> None:
        built.append(sha)
        if len(built) == 1:
            raise RuntimeError("no space left")

    with GitHubServer(on_push=build) as server:
        server.accounts.create_user("ada")
        server.repositories.create("ada/shop", {"a": "0"})
        sha = server.repositories.push("ada/shop", "main", {"a": "1"}, by="ada")
        server.wait_idle()
    assert built[1:] == [sha]
    assert "no space left" in caplog.text

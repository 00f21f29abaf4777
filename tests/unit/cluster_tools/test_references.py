"""References to remote hosts and to paths of the commit."""

from __future__ import annotations

import pytest

from bot.cluster.render.references import CommitTree, remote_host
from bot.model.errors import ManifestRefused


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("../base", None),
        ("shop.yaml", None),
        ("a/github.com/b", None),
        ("https://example.com/org/repo?ref=v1", "example.com"),
        ("HTTP://Example.com:8080/x.yaml", "example.com:8080"),
        ("https://ada:secret@example.com/x", "example.com"),
        ("ssh://git@example.com/org/repo", "example.com"),
        ("git::https://example.com/org/repo", "example.com"),
        ("git::git::git@example.com:org/repo", "example.com"),
        ("git@example.com:org/repo.git", "example.com"),
        ("github.com/org/repo//deploy", "github.com"),
        ("GitHub.com:org/repo", "github.com"),
        ("oci://registry.example.com/charts", "registry.example.com"),
        ("file:///etc/passwd", ""),
        ("http:x", ""),
        ("https://[::1", ""),
    ],
)
def test_remote_host_of_references(reference: str, expected: str | None) -> None:
    assert remote_host(reference) == expected


def test_require_allowed_rejects_other_hosts() -> None:
    tree = CommitTree({}, ("charts.example.com:8443",))
    tree.require_allowed("charts.example.com:8443", "here")
    for refused in ("charts.example.com", "example.com", ""):
        with pytest.raises(ManifestRefused, match="here: "):
            tree.require_allowed(refused, "here")


@pytest.mark.parametrize(
    ("reference", "folder", "expected"),
    [("../base", "deploy/preview", "deploy/base"), ("./x.yaml", "", "x.yaml"), ("..", "deploy", "")],
)
def test_resolve_returns_paths_of_the_commit(reference: str, folder: str, expected: str) -> None:
    assert (
        CommitTree({"deploy/base/a.yaml": b"", "x.yaml": b""}, ()).resolve(reference, folder, "here")
        == expected
    )


@pytest.mark.parametrize("reference", ["../../x.yaml", "/etc/passwd", "y.yaml"])
def test_resolve_rejects_other_paths(reference: str) -> None:
    with pytest.raises(ManifestRefused, match="here: "):
        CommitTree({"deploy/x.yaml": b""}, ()).resolve(reference, "deploy", "here")

"""Symbolic links of a commit, compared with what an operating system makes of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.cluster.manifests import read
from bot.github.resources.selection import Kind, Limits, Member, select
from bot.model.commit_files import CommitFiles
from bot.model.errors import ManifestRefused, Rejected

SMALL = Limits(files=50)
MANIFEST = b"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"


def tree(files: Mapping[str, bytes], links: Mapping[str, str], limits: Limits = SMALL) -> CommitFiles:
    def scan() -> Iterator[Member]:
        for path, content in files.items():
            yield Member(path, Kind.FILE, len(content), read=partial(bytes, content))
        for path, target in links.items():
            yield Member(path, Kind.LINK, target=target)

    return select(scan, {"deploy"}, limits)


@pytest.mark.parametrize(
    "links",
    [
        {"deploy/extra.yaml": "../common/extra.yaml"},
        {"deploy": "common"},
        {"deploy": "./x/../common/"},
        {"deploy/more": "../common"},
        {"deploy/more": "../alias", "alias": "common"},
        {"deploy/extra.yaml": "../alias/extra.yaml", "alias": "common"},
        {"deploy": "stage/deploy", "stage/deploy": "../common"},
    ],
)
@pytest.mark.parametrize("large", [False, True])
def test_links_inside_the_repository_are_followed(links: dict[str, str], large: bool) -> None:
    rest = {f"assets/{number}": b"a" for number in range(60 * large)}
    files = tree({**rest, "common/extra.yaml": MANIFEST}, links)
    [source] = read(files, ["deploy"])
    assert source.manifest["metadata"] == {"name": "a"}
    assert files.covers("assets/0") is not large


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/etc/passwd", "is outside of the repository"),
        ("../../outside", "is outside of the repository"),
        ("../common/../../x", "is outside of the repository"),
        ("missing.yaml", "does not exist in this commit"),
        ("../nowhere/", "does not exist in this commit"),
        ("NAME", "leads to itself"),
        ("../deploy/NAME", "leads to itself"),
    ],
)
@pytest.mark.parametrize("name", ["extra.yaml", "folder"])
def test_other_links_are_refused(target: str, reason: str, name: str) -> None:
    files = tree({"deploy/a.yaml": MANIFEST}, {f"deploy/{name}": target.replace("NAME", name)})
    with pytest.raises(ManifestRefused, match=f"deploy/{name} is a symbolic link to .*, which {reason}"):
        read(files, ["deploy"])


def test_link_to_an_unusable_file_is_refused() -> None:
    files = tree({"big.yaml": b"x" * 101}, {"deploy/a.yaml": "../big.yaml"}, Limits(file=100))
    with pytest.raises(ManifestRefused, match=r"a link to|link to \.\./big\.yaml, which is larger than"):
        read(files, ["deploy"])


def test_link_in_another_folder_does_not_matter() -> None:
    files = tree({"deploy/a.yaml": MANIFEST}, {"tools/python": "/usr/bin/python3", "loop": "."})
    assert len(read(files, ["deploy"])) == 1


def test_links_that_multiply_files_are_limited() -> None:
    links = {f"deploy/{name}": "." for name in "abcdefgh"}
    with pytest.raises(Rejected, match="more than 50 files"):
        tree({"deploy/a.yaml": MANIFEST}, links)


_NAMES = st.sampled_from(["a", "b", "c"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)
_STEPS = st.sampled_from(["a", "b", "c", "..", ".", "deploy"])
_TARGETS = st.lists(_STEPS, min_size=1, max_size=4).map("/".join)


@given(
    st.dictionaries(_PATHS, st.binary(max_size=3), max_size=6), st.dictionaries(_PATHS, _TARGETS, max_size=3)
)
@settings(deadline=None, max_examples=150)
def test_files_behind_links_are_those_of_an_operating_system(
    below: dict[str, bytes], links_below: dict[str, str]
) -> None:
    root = Path(tempfile.mkdtemp()).resolve()
    try:
        files, links = _write(root, below, links_below)
        try:
            selected = tree(files, links, Limits(files=2000))
        except Rejected:
            return
        for path in selected:
            real = Path(os.path.realpath(root / path))
            if path in selected.problems:
                assert not real.is_file() or not real.is_relative_to(root)
            else:
                assert real.is_relative_to(root)
                assert real.read_bytes() == selected[path]
        for folder, _, names in os.walk(root / "deploy"):
            for name in names:
                file = Path(folder, name)
                if file.is_file() and Path(os.path.realpath(file)).is_relative_to(root):
                    assert file.relative_to(root).as_posix() in selected.contents
    finally:
        shutil.rmtree(root)


def _write(
    root: Path, below: Mapping[str, bytes], links_below: Mapping[str, str]
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Files and links, as far as they do not exclude each other; most of them in the folder deploy."""
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    entries: list[tuple[str, bytes | str]] = [*below.items(), *links_below.items()]
    for number, (path, content) in enumerate(entries):
        place = f"deploy/{path}" if number % 3 else path
        target = root / place
        parents = [root.joinpath(*place.split("/")[:depth]) for depth in range(1, place.count("/") + 1)]
        if os.path.lexists(target) or any(parent.is_symlink() or parent.is_file() for parent in parents):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            target.symlink_to(content)
            links[place] = content
        else:
            target.write_bytes(content)
            files[place] = content
    return files, links

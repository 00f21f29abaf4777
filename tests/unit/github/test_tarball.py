"""A commit's archive is unpacked without trusting anything in it."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from bot.cluster.manifests import read
from bot.github.resources.selection import Limits
from bot.github.resources.tarball import unpack
from bot.model.commit_files import FilesNeeded, require_read
from bot.model.errors import ManifestRefused, Rejected, Unavailable

TOP = "acme-shop-0d1e2f3"


def _archive(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    packed.seek(0)
    return packed


def _file(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


def _special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def test_top_folder_is_stripped() -> None:
    folder = _special(f"{TOP}/deploy", tarfile.DIRTYPE)
    long = f"deploy/{'verzeichnis/' * 20}größe.yaml"
    files = unpack(_archive(folder, _file(f"{TOP}/README.md", b"# Shop"), _file(f"{TOP}/{long}")))
    assert files == {"README.md": b"# Shop", long: b"x"}


@pytest.mark.parametrize(
    "name",
    [
        f"{TOP}/../outside",
        f"{TOP}/deploy/../../outside",
        "/etc/passwd",
        f"/{TOP}/absolute",
        f"{TOP}/./here",
        f"{TOP}//double",
        TOP,
        "file-without-a-folder",
    ],
)
def test_paths_outside_the_folder_are_skipped(name: str) -> None:
    assert unpack(_archive(_file(name), _file(f"{TOP}/kept"))) == {"kept": b"x"}


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_hard_links_cannot_be_read(kind: bytes) -> None:
    files = unpack(_archive(_file(f"{TOP}/secret", b"s"), _special(f"{TOP}/link", kind, f"{TOP}/secret")))
    assert files["secret"] == b"s"
    with pytest.raises(ManifestRefused, match="link is not a regular file"):
        files["link"]


def test_sparse_file_is_never_read() -> None:
    """1 kB that claims to be 600 MiB."""
    info = tarfile.TarInfo(f"{TOP}/deploy/a.yaml")
    size = str(600 * 2**20)
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": size}
    files = unpack(_archive((info, b"0\n".ljust(512, b"\0"))), {"deploy"})
    with pytest.raises(ManifestRefused, match="not a regular file"):
        files["deploy/a.yaml"]


@pytest.mark.parametrize("name", ["deploy/a\\b.yaml", "deploy/\udcff.yaml"])
def test_unsupported_name_is_reported(name: str) -> None:
    files = unpack(_archive(_file(f"{TOP}/{name}")), {"deploy"})
    [path] = files
    with pytest.raises(ManifestRefused, match="portable name"):
        files[path]


def test_large_file_is_refused_where_it_is_read() -> None:
    archive = _archive(_file(f"{TOP}/video", b"v" * 101), _file(f"{TOP}/kept"))
    files = unpack(archive, ("",), Limits(file=100))
    assert files["kept"] == b"x"
    with pytest.raises(ManifestRefused, match="video is larger than"):
        files["video"]


def test_git_lfs_pointer_is_named() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"
    files = unpack(_archive(_file(f"{TOP}/deploy/a.yaml", pointer)))
    with pytest.raises(ManifestRefused, match=r"deploy/a\.yaml is a Git LFS pointer"):
        read(files, ["deploy"])


def test_gzip_bomb_is_rejected_while_unpacking() -> None:
    bomb = _archive(_file(f"{TOP}/bomb", b"\0" * 5_000_000))
    assert len(bomb.getvalue()) < 10_000
    with pytest.raises(Rejected, match="unpacks to more"):
        unpack(bomb, limits=Limits(archive_unpacked=1_000_000))


def _sparse(name: str, size: int) -> bytes:
    """The header of a file of GNU's old sparse format that is one hole."""
    header = bytearray(tarfile.TarInfo(name).tobuf(format=tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def test_sparse_files_of_the_old_format_are_never_read() -> None:
    packed = gzip.compress(b"".join(_sparse(f"{TOP}/{n}", 100_000) for n in range(20)) + bytes(1024))
    files = unpack(io.BytesIO(packed), limits=Limits(unpacked=1_000))
    assert set(files) == {str(n) for n in range(20)}
    with pytest.raises(ManifestRefused, match="not a regular file"):
        files["0"]


def test_limits_are_per_folder_that_is_needed() -> None:
    large = [_file(f"{TOP}/assets/{number:02}", b"a" * 100) for number in range(11)]
    archive = _archive(*large, _file(f"{TOP}/deploy/a.yaml"), _file(f"{TOP}/base/b.yaml"))
    for limits in (Limits(files=10), Limits(unpacked=1000)):
        files = unpack(archive, {"deploy"}, limits)
        assert dict(files) == {"deploy/a.yaml": b"x"}
        assert not files.covers("base")
        with pytest.raises(FilesNeeded):
            require_read(files, "base/b.yaml")
        assert set(unpack(archive, {"deploy", "base"}, limits)) == {"deploy/a.yaml", "base/b.yaml"}
        for folders in ({"assets"}, {""}):
            with pytest.raises(Rejected, match="has more than"):
                unpack(archive, folders, limits)
    assert len(unpack(archive, {"deploy"}, Limits(files=12))) == 13, "a small repository is read whole"
    with pytest.raises(Rejected, match="more than 10 files"):
        unpack(archive, {"deploy"}, Limits(archive_files=10))


def test_incomplete_archive_raises_unavailable() -> None:
    whole = _archive(_file(f"{TOP}/data", bytes(range(256)) * 400)).getvalue()
    for broken in (whole[: len(whole) // 2], b"<html>not an archive</html>", b""):
        with pytest.raises(Unavailable):
            unpack(io.BytesIO(broken))

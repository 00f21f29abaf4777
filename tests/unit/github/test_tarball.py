"""A commit's archive is unpacked without trusting anything in it."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from bot.github.resources.tarball import Limits, unpack
from bot.model.errors import Rejected, Unavailable

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
        f"{TOP}/windows\\path",
        TOP,
        "file-without-a-folder",
    ],
)
def test_paths_outside_the_folder_are_skipped(name: str) -> None:
    assert unpack(_archive(_file(name), _file(f"{TOP}/kept"))) == {"kept": b"x"}


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_skipped(kind: bytes) -> None:
    link = _special(f"{TOP}/link", kind, f"{TOP}/secret")
    assert unpack(_archive(_file(f"{TOP}/secret", b"s"), link)) == {"secret": b"s"}


def test_large_files_are_skipped() -> None:
    files = unpack(_archive(_file(f"{TOP}/video", b"v" * 101), _file(f"{TOP}/kept")), Limits(file=100))
    assert files == {"kept": b"x"}


def test_gzip_bomb_is_rejected_while_unpacking() -> None:
    bomb = _archive(_file(f"{TOP}/bomb", b"\0" * 5_000_000))
    assert len(bomb.getvalue()) < 10_000
    with pytest.raises(Rejected, match="unpacks to more"):
        unpack(bomb, Limits(unpacked=1_000_000))


def _sparse(name: str, size: int) -> bytes:
    """The header of a file of GNU's old sparse format that is one hole."""
    header = bytearray(tarfile.TarInfo(name).tobuf(format=tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def test_sparse_files_are_rejected_by_their_unpacked_size() -> None:
    packed = gzip.compress(b"".join(_sparse(f"{TOP}/{n}", 100_000) for n in range(20)) + bytes(1024))
    assert len(packed) < 1_000
    assert unpack(io.BytesIO(packed), Limits(unpacked=2_000_000)).keys() == {str(n) for n in range(20)}
    with pytest.raises(Rejected, match="unpacks to more"):
        unpack(io.BytesIO(packed), Limits(unpacked=1_999_999))


def test_too_many_files_are_rejected() -> None:
    with pytest.raises(Rejected, match="more than 10"):
        unpack(_archive(*(_file(f"{TOP}/{n}") for n in range(11))), Limits(entries=10))


def test_incomplete_archive_raises_unavailable() -> None:
    whole = _archive(_file(f"{TOP}/data", bytes(range(256)) * 400)).getvalue()
    for broken in (whole[: len(whole) // 2], b"<html>not an archive</html>", b""):
        with pytest.raises(Unavailable):
            unpack(io.BytesIO(broken))

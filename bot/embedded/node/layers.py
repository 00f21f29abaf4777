"""Unpacks an image's layers into a folder; nothing in them can reach outside of it."""

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_MOST_BYTES = 4 * 2**30
_MOST_FILES = 400_000


class LayerError(Exception):
    """The layer is damaged, too large or reaches outside of its folder."""


def unpack(layer: Path, root: Path) -> int:
    """Put a layer (tar, plain or compressed) over what is in `root`; return the bytes of its files."""
    size = count = 0
    try:
        with tarfile.open(layer) as archive:
            for member in archive:
                size, count = size + member.size, count + 1
                if size > _MOST_BYTES or count > _MOST_FILES:
                    raise LayerError("the layer holds more than 4 GiB or 400000 files")
                _place(archive, member, root)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise LayerError(f"failed to extract layer: {error}") from None
    return size


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    path = _inside(root, member.name)
    if path == root:
        return
    if path.name == _OPAQUE:
        for child in path.parent.iterdir():
            _remove(child)
        return
    if path.name.startswith(_WHITEOUT):
        _remove(path.with_name(path.name.removeprefix(_WHITEOUT)))
        return
    if member.isdir():
        if path.is_symlink() or not path.is_dir():
            _remove(path)
            path.mkdir()
        path.chmod(member.mode & 0o777 | 0o700)
        return
    if not (member.isreg() or member.issym() or member.islnk()):
        return  # devices and pipes have no place without privileges
    _remove(path)
    if member.issym():
        path.symlink_to(_link_target(root, path, member.linkname))
    elif member.islnk():
        os.link(_inside(root, member.linkname), path, follow_symlinks=False)
    else:
        _write(archive, member, path)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = archive.extractfile(member)
    if content is None:
        raise LayerError(f"{member.name} has no content")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with content, os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        shutil.copyfileobj(content, file)
        os.fchmod(file.fileno(), member.mode & 0o777 | 0o400)
    os.utime(path, (member.mtime, member.mtime))


def _inside(root: Path, name: str) -> Path:
    """The path of a member, whose folder exists and lies within the root also when links are followed."""
    parts = [part for part in PurePosixPath(name).parts if part != "/"]
    if ".." in parts:
        raise LayerError(f"the layer reaches outside of its folder: {name}")
    if not parts:
        return root
    parent = root.joinpath(*parts[:-1]).resolve()
    if not parent.is_relative_to(root.resolve()):
        raise LayerError(f"the layer reaches outside of its folder: {name}")
    parent.mkdir(parents=True, exist_ok=True)
    return parent / parts[-1]


def _link_target(root: Path, path: Path, target: str) -> str:
    """The target of a link, relative, so that an absolute target means the image and not this machine."""
    parent = path.parent.relative_to(root.resolve())
    requested = os.path.normpath(target.lstrip("/") if target.startswith("/") else parent / target)
    if requested == ".." or requested.startswith("../"):
        raise LayerError(f"a link of the layer reaches outside of its folder: {path.name} -> {target}")
    return os.path.relpath(requested, parent)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

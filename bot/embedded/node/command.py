"""The command of a container on this machine. Pure, except that it looks at files.

There is no mount namespace, so paths are replaced: what starts with a mount path means the volume's folder,
and an absolute path that exists in the image means that file of the unpacked image.
"""

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.cluster.client.api import Object
from bot.embedded.node.environment import expand
from bot.embedded.node.images import Image
from bot.embedded.node.processes import Command, StartError

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_SYSTEM_FOLDERS = {*SYSTEM_PATH.split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"}
_PYTHON = re.compile(r"(?:/usr(?:/local)?)?(?:/bin/)?python3?(?:\.\d+)?")


def command(container: Object, image: Image, env: Mapping[str, str], mounts: Mapping[str, Path]) -> Command:
    """The command of a container, from image and pod. Raises StartError when it is not found."""
    argv = [*(container.get("command") or image.entrypoint), *_arguments(container, image)]
    argv = [expand(word, env) for word in argv]
    if not argv:
        raise StartError("no command specified")
    inside = {name: _replaced(value, image, mounts) for name, value in env.items() if name != "PATH"}
    inside["PATH"] = ":".join(_search(part, image, mounts) for part in env["PATH"].split(":"))
    cwd = _path(container.get("workingDir") or image.working_dir or "/", image, mounts)
    return in_container(argv, Command([], inside, str(cwd)), image, mounts)


def in_container(argv: Sequence[str], like: Command, image: Image, mounts: Mapping[str, Path]) -> Command:
    """Another command in a container, with the environment and folder of its first one."""
    words = [_replaced(word, image, mounts) for word in argv[1:]]
    return Command([_program(argv[0], like, image, mounts), *words], like.env, like.cwd)


def python_folder(folder: Path) -> Path:
    """A folder for PATH in which `python` is the interpreter that runs this node."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("python", "python3"):
        script = folder / name
        # Not a link: the interpreter finds its own environment by the path it was started from.
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        script.chmod(0o700)
    return folder


def _arguments(container: Object, image: Image) -> Sequence[str]:
    if container.get("args"):
        return list(container["args"])
    # A command of the pod replaces the image's command and its arguments.
    return () if container.get("command") else image.command


def _program(name: str, like: Command, image: Image, mounts: Mapping[str, Path]) -> str:
    if _PYTHON.fullmatch(name):
        return sys.executable
    if "/" in name:
        value = _path(name, image, mounts) if name.startswith("/") else Path(like.cwd, name)
        if value.is_file() and os.access(value, os.X_OK):
            return str(value)
        raise StartError(f'exec: "{name}": stat {name}: no such file or directory')
    program = shutil.which(name, path=like.env["PATH"])
    if program is None:
        raise StartError(f'exec: "{name}": executable file not found in $PATH')
    return program


def _path(path: str, image: Image, mounts: Mapping[str, Path]) -> Path:
    """The path on this machine: in a mount, in the image, or the same path."""
    mounted = _mounted(path, mounts)
    if mounted != path:
        return Path(mounted)
    inside = image.root / path.lstrip("/")
    return inside if inside.exists() else Path(path)


def _search(folder: str, image: Image, mounts: Mapping[str, Path]) -> str:
    """A folder of PATH. The machine's own programs are used: the image's would miss their libraries."""
    return folder if folder in _SYSTEM_FOLDERS else str(_path(folder, image, mounts))


def _replaced(text: str, image: Image, mounts: Mapping[str, Path]) -> str:
    mounted = _mounted(text, mounts)
    if mounted != text or not text.startswith("/") or text == "/":
        return mounted
    parts = [str(_path(part, image, mounts)) if part.startswith("/") else part for part in text.split(":")]
    return ":".join(parts)


def _mounted(text: str, mounts: Mapping[str, Path]) -> str:
    """Replace mount paths where a path begins, the longest first: `sqlite:////data/x`, `--dir=/data`."""
    paths = sorted((path for path in mounts if path != "/"), key=len, reverse=True)
    if not paths:
        return text
    item = "|".join(re.escape(path) for path in paths)
    return re.sub(rf"(?<![\w.\-])({item})(?![\w.\-])", lambda value: str(mounts[value[1]]), text)

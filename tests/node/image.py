"""The project's image, assembled from the steps of deploy/Dockerfile without Docker.

`python -m tests.node.image` assembles it, as root and with the network. Each step is an overlay on the steps
before it, and is cached by its text and by the files that it copies. Debian with its own Python takes the
place of the Dockerfile's base image.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from bot.embedded.registry.builder import manifest_of
from bot.embedded.registry.dockerfile import Recipe
from bot.embedded.registry.layout import LAYER, Descriptor, Layout
from tests.kubernetes.binaries import cache

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
NAME, TAG = "greenroom", "0.1.0"
_CACHE = cache("image")
_BASE_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INSTRUCTIONS = ("ARG", "FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "ENTRYPOINT", "CMD")
_FROM_HOST = ("/etc/resolv.conf", "/etc/ssl/certs", "/proc")
"""What a step needs of this machine; not part of the image."""
_GO = "golang"
_GO_SETTINGS = ("GOROOT", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE")


@dataclass
class Stage:
    """A stage of a build: the folders of its layers, lowest first, and the image's configuration."""

    layers: list[Path]
    go: bool = False
    """Whether its steps run this machine's Go, which takes the place of the base image `golang`."""
    recipe: Recipe = field(default_factory=lambda: Recipe(environment={"PATH": _PATH}))


def layout() -> Layout:
    """Where the assembled image is, with the tag `TAG`."""
    return Layout(_CACHE / "layout", NAME)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile with their arguments; continued lines are joined.

    ValueError for an instruction that cannot be executed here.
    """
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, _, rest = line.strip().partition(" ")
            if name not in _INSTRUCTIONS:
                raise ValueError(f"{name} cannot be executed without Docker: {rest}")
            yield name, rest.strip()


def base_image(rest: str, arguments: Mapping[str, str]) -> str:
    """The image of a FROM with these build arguments. ValueError for one without a default."""
    try:
        return Template(rest.split()[0]).substitute(arguments)
    except KeyError as error:
        raise ValueError(f"FROM {rest}: the argument {error} has no default") from None


def assemble(dockerfile: str) -> Stage:
    """Executes a Dockerfile and returns its last stage. ValueError for an unknown instruction."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    arguments: dict[str, str] = {}
    for name, rest in instructions(dockerfile):
        if name == "ARG" and stage is None:
            argument, _, arguments[argument] = rest.partition("=")
        elif name == "FROM":
            stage = Stage([_base()], go=base_image(rest, arguments).startswith(_GO))
            stages[rest.split()[-1]] = stage
        elif stage is None:
            raise ValueError(f"{name} before FROM")
        else:
            _apply(stage, name, rest, stages)
    if stage is None:
        raise ValueError("the Dockerfile has no FROM")
    return stage


def _apply(stage: Stage, name: str, rest: str, stages: Mapping[str, Stage]) -> None:
    match name:
        case "ENV":
            for word in shlex.split(rest):
                variable, _, value = word.partition("=")
                stage.recipe.environment[variable] = value.replace("$PATH", stage.recipe.environment["PATH"])
        case "WORKDIR":
            stage.recipe.working_directory = os.path.join(stage.recipe.working_directory, rest)
            _step(
                stage,
                f"WORKDIR {stage.recipe.working_directory}",
                lambda root: _below(root, stage.recipe.working_directory).mkdir(parents=True, exist_ok=True),
            )
        case "COPY":
            _copy(stage, rest, stages)
        case "RUN" if not stage.recipe.user:
            command = f"cd {shlex.quote(stage.recipe.working_directory)} && {rest}"
            _step(
                stage,
                f"RUN {command} {stage.recipe.environment}",
                lambda root: _run(root, command, stage.recipe.environment, _go() if stage.go else {}),
            )
        case "USER":
            stage.recipe.user = rest
        case "EXPOSE":
            stage.recipe.ports += rest.split()
        case "ENTRYPOINT":
            stage.recipe.entrypoint = json.loads(rest)
        case "CMD":
            stage.recipe.command = json.loads(rest)
        case _:
            raise ValueError(f"{name} {rest}: not supported here")


def _copy(stage: Stage, rest: str, stages: Mapping[str, Stage]) -> None:
    *sources, target = shlex.split(rest)
    other = stages[sources.pop(0).partition("=")[2]] if sources[0].startswith("--from=") else None
    context = ROOT if other is None else None
    content = [_digest_of(ROOT / source) for source in sources] if other is None else [str(other.layers[-1])]

    def copy(root: Path) -> None:
        with contextlib.ExitStack() as stack:
            origin = context or stack.enter_context(_mounted(other.layers if other else []))
            for source in sources:
                path = _below(origin, source)
                into = _below(root, os.path.join(stage.recipe.working_directory, target))
                if path.is_dir():
                    shutil.copytree(
                        path,
                        into,
                        symlinks=True,
                        dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("__pycache__"),
                    )
                else:
                    shutil.copy2(path, into)

    _step(stage, f"COPY {rest} {stage.recipe.working_directory} {content}", copy)


def _step(stage: Stage, text: str, change: Callable[[Path], None]) -> None:
    """Adds a layer with what `change` does to the root file system, or the cached one."""
    key = hashlib.sha256(f"{stage.layers[-1].name} {text}".encode()).hexdigest()[:24]
    layer = _CACHE / "layers" / key
    if not layer.exists():
        print(text[:100], flush=True)
        unfinished = layer.with_name(f"{key}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        with _mounted(stage.layers, unfinished) as root:
            change(root)
        unfinished.rename(layer)
    stage.layers.append(layer)


@contextlib.contextmanager
def _mounted(layers: list[Path], changes: Path | None = None) -> Iterator[Path]:
    """The root file system of layers; what is written goes to `changes`."""
    with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
        root, work = Path(folder, "root"), Path(folder, "work")
        root.mkdir()
        work.mkdir()
        options = "lowerdir=" + ":".join(str(layer) for layer in reversed(layers))
        if changes is not None:
            options += f",upperdir={changes},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, root], check=True)
        try:
            yield root
        finally:
            subprocess.run(["umount", "--recursive", root], check=True)


def _go() -> Mapping[str, str]:
    """The settings of this machine's Go."""
    printed = subprocess.run(["go", "env", "-json", *_GO_SETTINGS], check=True, stdout=subprocess.PIPE)
    settings: Mapping[str, str] = json.loads(printed.stdout)
    return settings


def _run(root: Path, command: str, environment: Mapping[str, str], go: Mapping[str, str]) -> None:
    """`go`: the settings of this machine's Go, whose folders the step uses; empty without it."""
    folders = [go[name] for name in ("GOROOT", "GOMODCACHE", "GOCACHE") if go]
    for path in folders:
        _below(root, path).mkdir(parents=True, exist_ok=True)
    for path in (*_FROM_HOST, *folders):
        subprocess.run(["mount", "--rbind", path, _below(root, path)], check=True)
    variables = {name: value for name, value in os.environ.items() if name.startswith("PIP_")} | {**go}
    variables |= environment
    if go:
        variables |= {"PATH": f"{go['GOROOT']}/bin:{variables['PATH']}", "HOME": "/root"}
    subprocess.run(["chroot", root, "/bin/sh", "-c", command], check=True, env=variables)


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _digest_of(path: Path) -> str:
    """The digest of a file's or a folder's content."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        if "__pycache__" not in file.parts:
            digest.update(
                f"{file.relative_to(ROOT)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode()
            )
    return digest.hexdigest()


def _base() -> Path:
    """A minimal Debian with Python, under the name `python` as in the Dockerfile's base image."""
    folder = _CACHE / "layers" / "debian-python"
    if not folder.exists():
        unfinished = folder.with_name("debian-python.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        options = ["--quiet", "--variant=minbase", f"--include={_BASE_PACKAGES}"]
        subprocess.run(["mmdebstrap", *options, "bookworm", unfinished], check=True)
        (unfinished / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        for marker in unfinished.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            marker.unlink()  # pip may install into the image's own Python, as in the Dockerfile's base image
        unfinished.rename(folder)
    return folder


def publish(stage: Stage) -> str:
    """Writes a stage as an image with the tag `TAG`; returns its digest."""
    images = layout()
    layers = [_archive(images, layer) for layer in stage.layers]
    descriptor = manifest_of(images, stage.recipe, "linux/amd64", layers)
    images.tag(descriptor, TAG)
    return descriptor.digest


def _archive(images: Layout, layer: Path) -> tuple[Descriptor, str]:
    """A layer's blob and the digest of its archive. ValueError when the layer deletes files."""
    if any(path.is_char_device() and path.stat().st_rdev == 0 for path in layer.rglob("*")):
        raise ValueError("a step of the last stage deletes files of an earlier one: not supported here")
    reproducible = ["--sort=name", "--mtime=@0", "--numeric-owner"]
    tar = subprocess.run(["tar", *reproducible, "-C", layer, "-c", "."], check=True, stdout=subprocess.PIPE)
    diff_id = f"sha256:{hashlib.sha256(tar.stdout).hexdigest()}"
    return images.put(LAYER, gzip.compress(tar.stdout, compresslevel=1, mtime=0)), diff_id


def main() -> None:
    """Assembles the image in a mount namespace of its own, so that no mount is left behind."""
    if "--inside" in sys.argv:
        print(publish(assemble(DOCKERFILE.read_text())))
    else:
        own = ["unshare", "--mount", "--propagation", "private"]
        subprocess.run([*own, sys.executable, "-m", "tests.node.image", "--inside"], check=True, cwd=ROOT)


if __name__ == "__main__":
    main()

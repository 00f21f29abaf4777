"""The part of a Dockerfile that needs no container: copied files and how to start them."""

import json
import posixpath
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field


class DockerfileError(Exception):
    """The Dockerfile cannot be built; the message names the line."""


@dataclass
class Recipe:
    """The content of a Dockerfile. `files` are the paths in the image, without a leading slash."""

    files: dict[str, bytes] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    working_directory: str = "/"
    user: str = ""
    ports: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def read(text: str, files: Mapping[str, bytes]) -> Recipe:
    """The recipe of a Dockerfile whose build context is `files`. DockerfileError for what cannot be done."""
    recipe = Recipe()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        instruction, _, rest = line.strip().partition(" ")
        try:
            _apply(recipe, instruction.upper(), rest.strip(), files)
        except ValueError as error:
            raise DockerfileError(f"Dockerfile line {number}: {error}") from None
    return recipe


def _apply(recipe: Recipe, instruction: str, rest: str, files: Mapping[str, bytes]) -> None:
    match instruction:
        case "FROM":  # the node brings the interpreter
            return
        case "WORKDIR":
            recipe.working_directory = posixpath.join(recipe.working_directory, rest)
        case "COPY":
            *sources, target = shlex.split(rest)
            for source in sources:
                recipe.files |= _copy(source, posixpath.join(recipe.working_directory, target), files)
        case "ENV":
            recipe.environment |= dict(_pair(word) for word in shlex.split(rest))
        case "USER":
            recipe.user = rest
        case "EXPOSE":
            recipe.ports += rest.split()
        case "CMD":
            recipe.command = _words(rest)
        case "ENTRYPOINT":
            recipe.entrypoint = _words(rest)
        case _:
            raise ValueError(f"{instruction} is not supported here, only files can be copied")


def _copy(source: str, target: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    source = posixpath.normpath(source)
    if source in files:
        path = posixpath.join(target, posixpath.basename(source)) if target.endswith("/") else target
        return {posixpath.normpath(path).lstrip("/"): files[source]}
    prefix = "" if source == "." else f"{source}/"
    below = {path: content for path, content in files.items() if path.startswith(prefix)}
    if not below:
        raise ValueError(f'failed to compute cache key: "/{source}": not found')
    return {
        posixpath.normpath(posixpath.join(target, path.removeprefix(prefix))).lstrip("/"): content
        for path, content in below.items()
    }


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"ENV needs name=value, not {word!r}")
    return name, value


def _words(rest: str) -> list[str]:
    try:
        words = json.loads(rest)
    except ValueError:
        return ["/bin/sh", "-c", rest]
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("a JSON list of strings is expected")
    return words

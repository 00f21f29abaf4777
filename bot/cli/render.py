"""`greenroom render`: a repository's own CI sees what Greenroom would apply, or why it would refuse."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.context import give_up

if TYPE_CHECKING:
    from bot.config.schema import Configuration
    from bot.model.manifest import Bundle

_UNKNOWN_DIGEST = "sha256:" + "0" * 64
_UNKNOWN_COMMIT = "0" * 40
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class EnvironmentName(StrEnum):
    PREVIEW = "preview"


def render(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A checkout, with its .greenroom.yml.", file_okay=False)
    ],
    environment: Annotated[EnvironmentName, typer.Option(help="For which environment.")],
    image: Annotated[
        list[str] | None, typer.Option(metavar="NAME=DIGEST", help="The digest of an image; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of YAML.")] = False,
) -> None:
    """Print the objects of an environment as they would be applied. Asks no network and no cluster.

    Ends with 1 when something is refused, which is told with file and line.
    """
    import asyncio

    from bot.config.loader import CONFIG_FILE, parse_configuration
    from bot.model.errors import Rejected

    given = dict(_image(text) for text in image or ())
    files = _files(directory)
    if CONFIG_FILE not in files:
        give_up(f"There is no {CONFIG_FILE} in {directory}.")
    try:
        configuration = parse_configuration(files[CONFIG_FILE].decode("utf-8-sig", errors="replace"))
        unknown = given.keys() - configuration.images.keys()
        if unknown:
            give_up(f"{CONFIG_FILE} has no image {', '.join(sorted(unknown))}.")
        bundle = asyncio.run(_bundle(directory.resolve().name, configuration, given, files))
    except Rejected as error:
        give_up(str(error), error.detail, code=1)
    guessed = [name for name in configuration.images if name not in given]
    notes = _notes(guessed, bool(configuration.preview.secrets))
    typer.echo(_as_json(bundle, notes) if as_json else _as_yaml(bundle, notes), nl=False)


async def _bundle(
    name: str, configuration: Configuration, given: Mapping[str, str], files: Mapping[str, bytes]
) -> Bundle:
    from bot.cluster.policy import ClusterPolicy
    from bot.cluster.render import render as rendering
    from bot.cluster.render.tools import Tools
    from bot.environments.render_request import render_request
    from bot.model.environment import EnvironmentKey
    from bot.model.naming import host_label, namespace_name
    from bot.model.release import Image
    from bot.model.repository import Repository
    from bot.settings import Domain

    repository = Repository(0, 0, "local", name)
    key = EnvironmentKey.preview(0, 0)
    domain = Domain("https", "preview.example.com", None)
    request = render_request(
        configuration,
        host=f"{host_label(key, repository)}.{domain.host}",
        environment=key,
        repository=repository,
        namespace=namespace_name(key, repository),
        commit=_UNKNOWN_COMMIT,
        images={
            image: Image(source.repository, given.get(image, _UNKNOWN_DIGEST))
            for image, source in configuration.images.items()
        },
        files=files,
        secrets="unknown" if configuration.preview.secrets else "",
    )
    return rendering.render(
        request, await Tools().sources(request), ClusterPolicy("gateways", "public", domain)
    )


def _image(text: str) -> tuple[str, str]:
    name, equals, digest = text.partition("=")
    if not equals or not _DIGEST.fullmatch(digest):
        give_up(f"--image {text}: it has to be NAME=sha256:… with 64 hexadecimal digits.")
    return name, digest


def _files(directory: Path) -> Mapping[str, bytes]:
    """The regular files, as they would come with a commit."""
    from bot.github.resources.tarball import LIMITS

    found: dict[str, bytes] = {}
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_symlink() or not path.is_file() or path.stat().st_size > LIMITS.file:
                continue
            found[path.relative_to(directory).as_posix()] = path.read_bytes()
            if len(found) > LIMITS.entries:
                give_up(f"{directory} has more than {LIMITS.entries:,} files: is it a fresh checkout?")
    return found


def _notes(guessed: list[str], secrets: bool) -> list[str]:
    """What differs from the real thing."""
    notes = ["Namespace, host, gateway, commit and pull request are placeholders."]
    if guessed:
        names = ", ".join(guessed)
        notes.append(
            f"The digest of {names} is a placeholder; --image {guessed[0]}=sha256:… tells the real one."
        )
    if secrets:
        notes.append("The values of secrets are added when it is applied.")
    return notes


def _as_yaml(bundle: Bundle, notes: list[str]) -> str:
    import yaml

    parts = ["".join(f"# {note}\n" for note in notes)]
    named = {str(wave): objects for wave, objects in bundle.waves.items()}
    checks = {f"check {name}": (job,) for name, job in bundle.checks.items()}
    for title, objects in {**named, **checks}.items():
        for each in objects:
            # Twice through JSON: equal parts must not become anchors.
            text = yaml.safe_dump(json.loads(json.dumps(each)), sort_keys=False, allow_unicode=True)
            parts.append(f"---\n# {title}\n{text}")
    return "".join(parts)


def _as_json(bundle: Bundle, notes: list[str]) -> str:
    told: dict[str, Any] = {
        "notes": notes,
        "waves": {str(wave): list(objects) for wave, objects in bundle.waves.items()},
        "checks": dict(bundle.checks),
    }
    return json.dumps(told, indent=2) + "\n"

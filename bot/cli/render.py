"""`greenroom render`: prints the objects of a checkout as Greenroom would apply them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.checkout import render_checkout
from bot.cli.common import Json, fail, load_manifest_settings

if TYPE_CHECKING:
    from bot.config.schema import Configuration
    from bot.model.environment import EnvironmentKey
    from bot.model.manifest import Bundle
    from bot.model.size import Size

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def render(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Checkout with a .greenroom.yml.", file_okay=False)
    ],
    environment: Annotated[
        str, typer.Option(metavar="NAME", help="`preview`, or the name of a stage or demo.")
    ],
    image: Annotated[
        list[str] | None, typer.Option(metavar="NAME=DIGEST", help="Digest of an image; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the objects of an environment without a cluster or network.

    Allow-lists and other settings for manifests are read from the environment; none is required.
    Exits with 1 when the configuration or an object is rejected; the message names file and line. Also
    exits with 1 when the objects request more than the environment has.
    """
    import asyncio

    from bot.config.loader import CONFIG_FILE, parse_configuration
    from bot.environments.reasons import SizeExceeded
    from bot.github.messages.environment_reasons import describe
    from bot.model.errors import ManifestsRefused, Rejected

    given = dict(_image(text) for text in image or ())
    settings = load_manifest_settings()
    file = directory / CONFIG_FILE
    if not file.is_file():
        fail(f"{directory} has no {CONFIG_FILE}.")
    try:
        configuration = parse_configuration(file.read_text("utf-8-sig", errors="replace"))
        unknown = given.keys() - configuration.images.keys()
        if unknown:
            fail(f"{CONFIG_FILE} has no image {', '.join(sorted(unknown))}.")
        key = _key(configuration, environment)
        bundle = asyncio.run(render_checkout(directory.resolve(), configuration, key, given, settings))
    except ManifestsRefused as error:
        fail("\n".join(error.mistakes), code=1)
    except Rejected as error:
        fail(str(error), error.detail, code=1)
    placeholders = [name for name in configuration.images if name not in given]
    notes = _notes(placeholders, bool(configuration.section_of(key).secrets), bundle)
    size = configuration.section_of(key).size.override(settings.default_size)
    typer.echo(_summary(bundle, size), err=True)
    typer.echo(_as_json(bundle, notes) if as_json else _as_yaml(bundle, notes), nl=False)
    if bundle.requests is not None and (excess := bundle.requests.excess(size)):
        fail(describe(SizeExceeded(excess)), code=1)


def _key(configuration: Configuration, name: str) -> EnvironmentKey:
    from bot.model.environment import EnvironmentKey

    if name == "preview":
        return EnvironmentKey.preview(0, 0)
    if name not in configuration.stages_and_demos:
        names = ", ".join(["preview", *configuration.stages_and_demos])
        fail(f"--environment {name}: expected one of {names}.")
    return (EnvironmentKey.stage if name in configuration.stages else EnvironmentKey.demo)(0, name)


def _image(text: str) -> tuple[str, str]:
    name, equals, digest = text.partition("=")
    if not equals or not _DIGEST.fullmatch(digest):
        fail(f"--image {text}: expected NAME=sha256:… with 64 hexadecimal digits.")
    return name, digest


def _notes(placeholders: list[str], secrets: bool, bundle: Bundle) -> list[str]:
    """What differs from the objects that Greenroom applies, and from the objects in the manifests."""
    from bot.cli.terminal import plain
    from bot.github.messages.manifest_notes import manifest_notes
    from bot.model.notes import grouped

    notes = ["Namespace, host, gateway, commit and pull request are placeholders."]
    if placeholders:
        notes.append(
            f"The digest of {', '.join(placeholders)} is a placeholder; "
            f"set it with --image {placeholders[0]}=sha256:…"
        )
    if secrets:
        notes.append("The values of secrets are added when the objects are applied.")
    notes += (plain(manifest_notes(group)) for group in grouped(bundle.notes))
    return notes


def _summary(bundle: Bundle, size: Size) -> str:
    """The number of objects and of notes by effect, what is missing, and the requested size."""
    from bot.cli.terminal import plain
    from bot.github.messages.manifest_notes import manifest_notes
    from bot.model.notes import Effect, counts, grouped

    objects = sum(map(len, bundle.waves.values())) + len(bundle.checks)
    numbers = ", ".join(f"{number} {effect}" for effect, number in counts(bundle.notes).items())
    notes = [f"notes: {numbers}; the output begins with them"] if numbers else []
    missing = [group for group in grouped(bundle.notes) if group[0].effect is Effect.MISSING]
    return "\n".join(
        [
            f"{objects} objects",
            *notes,
            *(plain(manifest_notes(group)) for group in missing),
            f"requested: {bundle.requests}",
            f"available: {size}",
        ]
    )


def _as_yaml(bundle: Bundle, notes: list[str]) -> str:
    from bot.config.yaml_text import yaml_text

    parts = ["".join(f"# {note}\n" for note in notes)]
    waves = {str(wave): objects for wave, objects in bundle.waves.items()}
    checks = {f"check {name}": (job,) for name, job in bundle.checks.items()}
    for title, objects in {**waves, **checks}.items():
        for manifest in objects:
            parts.append(f"---\n# {title}\n{yaml_text(manifest)}")
    return "".join(parts)


def _as_json(bundle: Bundle, notes: list[str]) -> str:
    output: dict[str, Any] = {
        "notes": notes,
        "waves": {str(wave): list(objects) for wave, objects in bundle.waves.items()},
        "checks": dict(bundle.checks),
    }
    return json.dumps(output, indent=2) + "\n"

"""`greenroom init`: proposes a `.greenroom.yml` for a checkout."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.common import Json, fail, load_manifest_settings, print_json

if TYPE_CHECKING:
    from bot.cluster.proposal.places import Place
    from bot.model.repository import Repository

_REMOTE = re.compile(r"url\s*=\s*\S*?[:/]([A-Za-z0-9-]+)/([A-Za-z0-9._-]+?)(?:\.git)?\s*$", re.MULTILINE)
_NAMED = re.compile(
    r"(?:.*/)?(?:(?:.*\.)?(?:Docker|Container)file(?:\..+)?|Kustomization|[^/]*\.(?:ya?ml|json))"
)
_SKIPPED = frozenset(
    (
        ".circleci",
        ".devcontainer",
        ".github",
        ".gitlab",
        ".venv",
        ".vscode",
        "node_modules",
        "testdata",
        "vendor",
        "venv",
    )
)
_MOST_FILES = 5000
_MOST_PLACES = 5
"""How many are tried until one renders."""
_LARGEST = 2**20
_FROM_COMPOSE = "There is a Compose file: `kompose convert --out k8s/` makes manifests of it. Then try again."


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Checkout of the repository.", file_okay=False, exists=True)
    ] = Path(),
    yes: Annotated[bool, typer.Option("--yes", help="Write the proposal without questions.")] = False,
    as_json: Json = False,
) -> None:
    """Propose a .greenroom.yml for a checkout, and name what could not be decided.

    An existing file is never changed. Exits with 1 when the proposal does not render yet.
    """
    import asyncio

    from bot.cli.proposals import Finder, with_remark
    from bot.config.loader import CONFIG_FILE

    if not yes and not _is_terminal():
        fail("Add --yes to write the proposal without questions: there is no terminal.")
    file = directory / CONFIG_FILE
    if file.exists() or file.is_symlink():
        fail(f"{file} exists and is not changed.", code=1)
    settings = load_manifest_settings()
    files, repository = _files(directory), _repository(directory.resolve())
    candidates = _places(files, yes=yes)
    find = Finder(directory.resolve(), repository, files, settings)
    results = []
    whole = [place for place in candidates if not place.partial or place is candidates[0]]
    for place in whole[: _MOST_PLACES if yes else 1]:
        result = asyncio.run(find.proposal(place))
        results.append((place, *result))
        if not result[1]:
            break
    # The place that renders, otherwise the most likely one.
    place, proposal, problems = results[0] if results[-1][2] else results[-1]
    if problems and (without_refused := asyncio.run(find.part(place))) is not None:
        proposal, problems = without_refused, ()
    proposal = with_remark(proposal, [other for other in candidates if not place.contains(other)])
    typer.echo(proposal.text, nl=False, err=as_json)
    if not yes and not typer.confirm(f"Write {file}?", default=True, err=True):
        raise typer.Exit(1)
    with file.open("x", encoding="utf-8") as written:
        written.write(proposal.text)
    if as_json:
        print_json({"file": str(file), "undecided": proposal.undecided, "problems": problems})
    if problems:
        fail(f"{file} is written, but the manifests do not render yet:", "\n".join(problems), code=1)
    typer.echo(
        f"{file} is written. `greenroom render {directory} --environment preview` shows the objects.",
        err=True,
    )


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _places(files: Mapping[str, bytes], *, yes: bool) -> list[Place]:
    """The places with manifests, the most likely one or the one that the user chooses first."""
    from bot.cluster.proposal.compose import has_compose_file
    from bot.cluster.proposal.places import places

    candidates = places(files)
    if not candidates:
        way = _FROM_COMPOSE if has_compose_file(files) else ""
        fail("There is no chart, no kustomization and no manifest of a workload in this folder.", way, code=1)
    number = 1
    if len(candidates) > 1 and not yes:
        for index, place in enumerate(candidates, start=1):
            typer.echo(f"{index}. {place.title}", err=True)
        number = typer.prompt("Which manifests run in production?", default=1, type=int, err=True)
        if not 1 <= number <= len(candidates):
            fail(f"Choose a number from 1 to {len(candidates)}.")
    chosen = candidates.pop(number - 1)
    return [chosen, *candidates]


def _files(directory: Path) -> dict[str, bytes]:
    """The files of the checkout that can be manifests or Dockerfiles, by path."""
    from bot.cli.checkout import members
    from bot.github.resources.selection import Kind

    files: dict[str, bytes] = {}
    for member in members(directory):
        folders = member.path.split("/")[:-1]
        is_file = member.kind is Kind.FILE and member.size <= _LARGEST
        if is_file and _NAMED.fullmatch(member.path) and _SKIPPED.isdisjoint(folders):
            files[member.path] = member.read()
        if len(files) >= _MOST_FILES:
            break
    return files


def _repository(directory: Path) -> Repository:
    """Owner and name from the remote of the checkout; otherwise the name of the folder."""
    from bot.model.repository import Repository

    try:
        match = _REMOTE.search((directory / ".git" / "config").read_text("utf-8", errors="replace"))
    except OSError:
        match = None
    return Repository(0, 0, *(match.groups() if match else ("OWNER", directory.name)))

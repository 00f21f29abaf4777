"""`greenroom schema`: prints the JSON schema of `.greenroom.yml`."""

from __future__ import annotations

import typer

from bot.cli.common import Json


def schema(as_json: Json = False) -> None:  # the same with and without the option
    """Print the JSON schema of .greenroom.yml, for editors and CI."""
    from bot.config.json_schema import json_schema_text

    typer.echo(json_schema_text(), nl=False)

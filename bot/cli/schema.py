"""`greenroom schema`: prints the JSON schema of `.greenroom.yml`."""

from __future__ import annotations

import typer


def schema() -> None:
    """Print the JSON schema of .greenroom.yml, for editors and CI."""
    from bot.config.json_schema import json_schema_text

    typer.echo(json_schema_text(), nl=False)

"""The questions of `greenroom setup`: what the options leave open is asked on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bot.cli.common import fail
from bot.cli.terminal import plain

if TYPE_CHECKING:
    from bot.setup.answers import Answers
    from bot.setup.gateways import GatewayChoice


@dataclass(frozen=True)
class Given:
    """The options that answer questions."""

    github_url: str
    github_ca: Path | None
    organization: str | None
    name: str | None
    public_url: str | None
    gateway: str | None
    base_domain: str | None

    @property
    def missing(self) -> list[str]:
        required = {
            "--public-url": self.public_url,
            "--gateway": self.gateway,
            "--base-domain": self.base_domain,
        }
        return [option for option, value in required.items() if value is None]


def ask(given: Given, choices: Sequence[GatewayChoice]) -> Answers:
    """Complete and valid answers. Exits with 2 for invalid ones, and for missing ones without a terminal."""
    from bot.setup.answers import Answers, default_name

    if given.missing and not sys.stdin.isatty():
        fail(f"Set {', '.join(given.missing)}: there is no terminal to ask.")
    public_url = given.public_url or _ask("URL at which GitHub and users will reach the bot (https://…)")
    gateway = given.gateway or _ask_gateway(choices)
    domains = next((choice.domains for choice in choices if choice.name == gateway), ())
    base_domain = given.base_domain or _ask("Wildcard domain of environments", next(iter(domains), None))
    answers = Answers(
        given.github_url.rstrip("/"),
        given.organization,
        given.name or default_name(given.organization),
        public_url.rstrip("/"),
        gateway,
        base_domain,
        str(given.github_ca) if given.github_ca else None,
    )
    if answers.problems:
        fail(*answers.problems)
    return answers


def report(text: str) -> None:
    """Prints progress to stderr: stdout has the result."""
    typer.echo(plain(text), err=True)


def _ask(question: str, default: str | None = None) -> str:
    return str(typer.prompt(question, default=default, err=True)).strip()


def _ask_gateway(choices: Sequence[GatewayChoice]) -> str:
    for choice in choices:
        report(f"  {choice.name}  {', '.join(choice.domains) or 'no listener for a wildcard host'}")
    return _ask("Gateway for environments (NAMESPACE/NAME)", choices[0].name if choices else None)

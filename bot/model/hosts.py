"""Hosts that stages may have for their own: nobody's unless the operator says whose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.model.repository import Repository

SETTING = "GREENROOM_HOSTS"

_ENVIRONMENT = re.compile(r"[^.]+-[^.]+-[0-9a-z]+")
"""What the first label of an environment's own name is like: `pr-7-shop-k2x9f1`."""


@dataclass(frozen=True, slots=True)
class HostGrants:
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By the repository's name in lower case: hosts, or `*.` and a domain for the names right below it."""
    domains: tuple[str, ...] = ()
    """Whose names the environments have without being asked."""
    pages: str = ""
    """Where the bot's own pages are."""

    def objection(self, host: str, repository: Repository) -> str | None:
        """Why the repository's stage cannot have this host, for a sentence; None when it can."""
        name = repository.full_name.lower()
        if host == self.pages:
            return f"{host} is the host of Greenroom's own pages"
        label, _, domain = host.partition(".")
        if host in self.domains or (domain in self.domains and _ENVIRONMENT.fullmatch(label)):
            return f"{host} may be the host of another environment: such names are given, not chosen"
        others = [hosts for other, hosts in self.hosts.items() if other != name]
        if any(host in hosts for hosts in others):
            return f"{host} is granted to another repository (`{SETTING}`)"
        mine = self.hosts.get(name, ())
        if host in mine or f"*.{domain}" in mine:
            return None
        grant = f"{SETTING}={repository.full_name}={host}"
        return f"{host} is not granted to this repository; whoever runs Greenroom can grant it with `{grant}`"


NO_HOSTS = HostGrants()

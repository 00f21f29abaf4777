"""Grants of hosts to repositories, for stages with a host of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.model.repository import Repository

SETTING = "GREENROOM_HOSTS"

_GENERATED_LABEL = re.compile(r"[^.]+-[^.]+-[0-9a-z]+")
"""The first label of generated hosts, such as `pr-7-shop-k2x9f1`."""


@dataclass(frozen=True, slots=True)
class HostGrants:
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Hosts by repository name in lower case; `*.DOMAIN` grants all hosts directly below the domain."""
    domains: tuple[str, ...] = ()
    """The domains of generated hosts."""
    pages: str = ""
    """The host of the bot's web pages."""

    def objection(self, host: str, repository: Repository) -> str | None:
        """Why a stage of the repository may not use the host; None when it may."""
        name = repository.full_name.lower()
        if host == self.pages:
            return f"{host} is the host of Greenroom's web pages"
        label, _, domain = host.partition(".")
        if host in self.domains or (domain in self.domains and _GENERATED_LABEL.fullmatch(label)):
            return f"{host} is reserved for generated hosts of environments"
        others = [hosts for other, hosts in self.hosts.items() if other != name]
        if any(host in hosts for hosts in others):
            return f"{host} is granted to another repository (`{SETTING}`)"
        granted = self.hosts.get(name, ())
        if host in granted or f"*.{domain}" in granted:
            return None
        grant = f"{SETTING}={repository.full_name}={host}"
        return f"{host} is not granted to this repository; the operator can grant it with `{grant}`"


NO_HOSTS = HostGrants()

"""The hosts of an environment for the hosts that its manifests name. Pure."""

from __future__ import annotations

import re

from bot.model.errors import ManifestRefused
from bot.model.naming import further_host
from bot.model.routing import Hosts, RouteProtocol

_MOST_HOSTS = 32
_LONGEST_NAME = 40


def host_of(name: str, hosts: Hosts) -> str:
    """The host of a further route, or the environment's own one for ""."""
    if not name:
        return hosts.own
    granted = (hosts.named or {}).get(name)
    return granted or (further_host(name, hosts.generated) if hosts.generated else "")


class HostNames:
    """Names the further hosts in the order of their appearance; the first host is the environment's own."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, RouteProtocol], str] = {}
        self._protocols: dict[str, RouteProtocol] = {}

    def name(self, host: str, protocol: RouteProtocol = RouteProtocol.HTTP) -> str:
        """The name of the host that serves a host of the manifests, "" for the environment's own.

        Routes without a host are served on the environment's own host. gRPC and HTTP never share a host.
        """
        if not host and self._protocols.setdefault("", protocol) is protocol:
            return ""
        if (host, protocol) not in self._names:
            self._names[host, protocol] = self._new_name(host, protocol)
            if len(self._names) > _MOST_HOSTS:
                raise ManifestRefused(f"The routes have more than {_MOST_HOSTS} hosts, which is the limit.")
        return self._names[host, protocol]

    def existing_name(self, host: str) -> str | None:
        """The name of a host of the manifests; None for a host that no route has."""
        return next((name for (other, _), name in self._names.items() if other == host), None)

    def _new_name(self, host: str, protocol: RouteProtocol) -> str:
        if not self._names and self._protocols.setdefault("", protocol) is protocol:
            return ""
        label = re.sub(r"[^a-z0-9]+", "-", host.lower().removeprefix("*.").partition(".")[0]).strip("-")
        shared = any(other == host for other, _ in self._names) or not host
        name = f"{label}-{protocol}".strip("-") if shared else label or "host"
        taken = set(self._names.values())
        unique, number = name[:_LONGEST_NAME].strip("-"), 1
        while unique in taken:
            number += 1
            unique = f"{name[: _LONGEST_NAME - len(str(number)) - 1].strip('-')}-{number}"
        return unique

"""Addresses of pods and Services, and their twins on loopback where processes really listen."""

import socket
from dataclasses import dataclass
from pathlib import Path

POD_NETWORK = "10.244"
_UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_PRIVILEGED_SHIFT = 20000
_MOST_NODES = 128


class NoAddressError(Exception):
    """All pod addresses of this machine or node are in use."""


def twin(address: str) -> str:
    """The loopback address for a pod's address: 10.244.1.7 is 127.244.1.7."""
    return "127." + address.split(".", 1)[1]


@dataclass(frozen=True, slots=True)
class ServiceAddresses:
    """The addresses on which the Services of one node's cluster listen.

    Clusters give their Services the same addresses, and several may run on one machine: 10.96.1.7 is
    127.96.1.7 for the first node, 127.97.1.7 for the second (`shift` 1) and so on. A privileged port is moved
    up by 20000 where this user may not listen on it.
    """

    shift: int
    first_unprivileged_port: int

    def of(self, address: str, port: int) -> tuple[str, int]:
        _, second, rest = address.split(".", 2)
        reachable = port if port >= self.first_unprivileged_port else port + _PRIVILEGED_SHIFT
        return f"127.{int(second) + self.shift}.{rest}", reachable


def first_unprivileged_port() -> int:
    """The lowest port that this process may listen on."""
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 1))
    except PermissionError:
        return int(_UNPRIVILEGED.read_text()) if _UNPRIVILEGED.exists() else 1024
    except OSError:
        pass
    return 0


class PodAddresses:
    """Hands out 10.244.N.2 to 10.244.N.254, where N belongs to this node alone while it runs.

    Several nodes may run on one machine, for example those of tests side by side; an abstract Unix socket,
    which the kernel frees when its process ends, shows which N are taken.
    """

    def __init__(self) -> None:
        self._claim = socket.socket(socket.AF_UNIX)
        self.subnet = self._claim_subnet()
        self._free = list(range(254, 1, -1))

    def take(self) -> str:
        if not self._free:
            raise NoAddressError("the node has no pod address left")
        return f"{POD_NETWORK}.{self.subnet}.{self._free.pop()}"

    def release(self, address: str) -> None:
        # The longest unused address is taken next, as a stranger may still hold on to this one.
        self._free.insert(0, int(address.rsplit(".", 1)[1]))

    def close(self) -> None:
        self._claim.close()

    def _claim_subnet(self) -> int:
        for subnet in range(_MOST_NODES):
            try:
                self._claim.bind(f"\0greenroom-pods-{POD_NETWORK}.{subnet}")
            except OSError:
                continue
            return subnet
        self._claim.close()
        raise NoAddressError(f"{_MOST_NODES} nodes run on this machine already")

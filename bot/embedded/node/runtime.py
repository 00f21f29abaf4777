"""The services that the pods of one node share."""

from dataclasses import dataclass
from pathlib import Path

import httpx

from bot.cluster.client.api import KubernetesApi
from bot.embedded.node.addresses import ServiceAddresses
from bot.embedded.node.images import Images
from bot.embedded.node.processes import Processes
from bot.embedded.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Runtime:
    """The means of a node. `restart_backoff` is the first pause in seconds, which doubles up to a cap."""

    client: KubernetesApi
    images: Images
    processes: Processes
    recorder: Recorder
    probe_http: httpx.AsyncClient
    folder: Path
    python_folder: Path
    services: ServiceAddresses
    restart_backoff: float = 1.0
    longest_backoff: float = 30.0

    @property
    def claims(self) -> Path:
        """The folders of PersistentVolumeClaims, one for each uid."""
        return self.folder / "claims"

    def pause(self, failures: int) -> float:
        """Seconds to wait after this many consecutive failures; zero for the first one."""
        return min(self.restart_backoff * 2 ** (failures - 2), self.longest_backoff) if failures > 1 else 0.0


class NotYetError(Exception):
    """The container must wait; `reason` and the message are those of its waiting state."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

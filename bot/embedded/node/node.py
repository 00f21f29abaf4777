"""The node as a whole: everything that it runs, started and stopped in order."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.kinds import ENDPOINT_SLICE, PERSISTENT_VOLUME_CLAIM, POD, SERVICE
from bot.embedded.delays import Delays
from bot.embedded.informer import Informer
from bot.embedded.node.addresses import PodAddresses, ServiceAddresses, first_unprivileged_port
from bot.embedded.node.claims import Claims
from bot.embedded.node.command import python_folder
from bot.embedded.node.images import Images
from bot.embedded.node.kubelet import Kubelet
from bot.embedded.node.processes import Processes
from bot.embedded.node.registration import keep_alive, node_object, register
from bot.embedded.node.runtime import Runtime
from bot.embedded.node.scheduler import Scheduler
from bot.embedded.node.server import LogServer
from bot.embedded.node.service_proxy import ServiceProxy
from bot.embedded.recorder import Recorder


class Node:
    """Runs the pods of one cluster as local processes; see the package for what they may rely on.

    `folder` is made private and holds images, volumes and logs. Every process ends with `stop`, and also when
    this one is killed. `restart_backoff` is the first pause in seconds between restarts of a container.
    """

    def __init__(
        self,
        client: KubernetesApi,
        folder: Path,
        *,
        name: str = "greenroom",
        restart_backoff: float = 1.0,
        delays: Delays | None = None,
    ) -> None:
        self._delays = delays or Delays()
        self.name = name
        self._client = client
        self.folder = folder
        self._restart_backoff = restart_backoff
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Node":
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Return when the node is registered and ready, and knows what the cluster wants of it."""
        self._addresses = PodAddresses()
        self.services = ServiceAddresses(self._addresses.subnet, first_unprivileged_port())
        # Probes must not be fooled by a certificate that is not meant for them, so none is checked.
        self._probe_http = httpx.AsyncClient(verify=False, trust_env=False)  # noqa: S501
        self._pull_http = httpx.AsyncClient(timeout=60, trust_env=False)
        self._recorder = Recorder(self._client, "kubelet", self.name)
        runtime = await self._runtime()
        self._kubelet = Kubelet(runtime, self.name, self._addresses, self._delays)
        self._server = LogServer(self._kubelet, tls=self._client.url.startswith("https:"))
        await self._server.start()
        await register(self._client, self.name, self._server.port)
        informers = self._wire(runtime)
        for informer in informers:
            self._run(informer.run())
        await asyncio.gather(*(informer.synced() for informer in informers))
        pods = informers[0].list()
        await asyncio.to_thread(self._kubelet.tidy, {pod["metadata"]["uid"] for pod in pods})

    async def stop(self) -> None:
        """Kill every pod's process without notice: the cluster sees a node that vanished."""
        self._kubelet.abandon()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._tasks.clear()
        await self._processes.stop()
        await self._server.stop()
        for http in (self._probe_http, self._pull_http):
            await http.aclose()
        self._addresses.close()

    async def _runtime(self) -> Runtime:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._processes = Processes()
        await self._processes.start()
        return Runtime(
            client=self._client,
            images=Images(self.folder / "images", self._pull_http),
            processes=self._processes,
            recorder=self._recorder,
            probe_http=self._probe_http,
            folder=self.folder,
            python_folder=python_folder(self.folder / "bin"),
            services=self.services,
            restart_backoff=self._restart_backoff,
        )

    def _wire(self, runtime: Runtime) -> list[Informer]:
        client, recorder = self._client, self._recorder
        pods = Informer(client, POD)
        claims = Informer(client, PERSISTENT_VOLUME_CLAIM)
        services = Informer(client, SERVICE)
        slices = Informer(client, ENDPOINT_SLICE)
        pods.listen(self._kubelet.observe)
        scheduling = Recorder(client, "default-scheduler", self.name)
        scheduler = Scheduler(client, pods, claims, scheduling, node_object(self.name))
        binder = Claims(client, claims, recorder, self.name, runtime.claims)
        proxy = ServiceProxy(services, slices, runtime.services, self._delays)
        for part in (recorder, scheduling, self._kubelet, scheduler, binder, proxy):
            self._run(part.run())
        self._run(keep_alive(client, self.name))
        return [pods, claims, services, slices]

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

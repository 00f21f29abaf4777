"""Everything that a container needs before it starts: its image, its environment, its command."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.cluster.client.api import Object
from bot.cluster.client.kinds import (
    CONFIG_MAP,
    PERSISTENT_VOLUME_CLAIM,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)
from bot.embedded.node import command as commands
from bot.embedded.node.addresses import twin
from bot.embedded.node.distribution import (
    InvalidReferenceError,
    PullError,
    credentials,
    default_pull_policy,
    parse_image,
)
from bot.embedded.node.environment import (
    ConfigError,
    Source,
    container_environment,
    service_variables,
    sources_of,
)
from bot.embedded.node.images import Image
from bot.embedded.node.processes import Command
from bot.embedded.node.runtime import NotYetError, Runtime
from bot.embedded.node.volumes import TOKEN, mounts
from bot.model.image_reference import ImageReference

_KINDS: Mapping[str, Kind] = {
    "ConfigMap": CONFIG_MAP,
    "Secret": SECRET,
    "PersistentVolumeClaim": PERSISTENT_VOLUME_CLAIM,
}


@dataclass(slots=True)
class Place:
    """A pod with its address and folders on this node."""

    pod: Object
    pod_ip: str
    folder: Path
    volumes: dict[str, Path] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return str(self.pod["metadata"]["namespace"])

    @property
    def title(self) -> str:
        """The pod as the kubelet names it in messages."""
        metadata = self.pod["metadata"]
        return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


class Preparation:
    """Prepares one container of one pod, and records its events."""

    def __init__(self, runtime: Runtime, place: Place, container: Object) -> None:
        self._runtime = runtime
        self._place = place
        self._container = container
        inits = place.pod["spec"].get("initContainers") or []
        group = "initContainers" if any(init is container for init in inits) else "containers"
        self._part = f"spec.{group}{{{container['name']}}}"

    async def image(self) -> Image:
        """The container's image, pulled when its policy asks for it. Raises `NotYetError`."""
        name = self._container["image"]
        try:
            reference = parse_image(name)
        except InvalidReferenceError as error:
            problem = f'Failed to apply default image tag "{name}": {error}'
            self.warn("InspectFailed", problem)
            raise NotYetError("InvalidImageName", problem) from None
        policy = self._container.get("imagePullPolicy") or default_pull_policy(reference)
        present = self._runtime.images.present(reference)
        if present and policy != "Always":
            self.record("Pulled", f'Container image "{name}" already present on machine')
            return present
        if policy == "Never":
            problem = f'Container image "{name}" is not present with pull policy of Never'
            self.warn("ErrImageNeverPull", problem)
            raise NotYetError("ErrImageNeverPull", problem)
        return await self._pull(reference, name)

    async def command(self, image: Image) -> tuple[Command, dict[str, Path]]:
        """The command and the container's mounts. Raises NotYetError or StartError."""
        if problem := _root_problem(self._place.pod, self._container, image):
            raise NotYetError("CreateContainerConfigError", problem)
        try:
            env = await self._environment(image)
            mounted = mounts(self._container, self._place.volumes, env)
        except ConfigError as error:
            raise NotYetError("CreateContainerConfigError", str(error)) from None
        env.setdefault("TMPDIR", str(mounted.get("/tmp", self._place.folder / "tmp")))  # noqa: S108 (its own)
        return commands.command(self._container, image, env, mounted), mounted

    async def fetch(self, source: Source) -> Object | None:
        """An object that the pod refers to."""
        kind, name = source
        if kind == TOKEN:
            request = {"apiVersion": "authentication.k8s.io/v1", "kind": TOKEN}
            name, _, audience = name.partition("/")
            spec = {"audiences": [audience]} if audience else {}
            body = {**request, "metadata": {"name": name}, "spec": spec}
            return await self._runtime.client.create(
                SERVICE_ACCOUNT, body, self._place.namespace, subresource="token"
            )
        return await self._runtime.client.find(_KINDS[kind], name, self._place.namespace)

    def record(self, reason: str, message: str) -> None:
        self._runtime.recorder.normal(self._place.pod, reason, message, field_path=self._part)

    def warn(self, reason: str, message: str) -> None:
        self._runtime.recorder.warning(self._place.pod, reason, message, field_path=self._part)

    async def _pull(self, reference: ImageReference, name: str) -> Image:
        self.record("Pulling", f'Pulling image "{name}"')
        started = time.monotonic()
        try:
            image = await self._runtime.images.pull(reference, await self._credentials(reference))
        except PullError as error:
            problem = f'failed to pull and unpack image "{name}": {error}'
            self.warn("Failed", f'Failed to pull image "{name}": {problem}')
            self.warn("Failed", "Error: ErrImagePull")
            raise NotYetError("ErrImagePull", problem) from None
        took = f"{(time.monotonic() - started) * 1000:.0f}ms"
        size = f"Image size: {image.size} bytes."
        self.record(
            "Pulled", f'Successfully pulled image "{name}" in {took} ({took} including waiting). {size}'
        )
        return image

    async def _credentials(self, reference: ImageReference) -> tuple[str, str] | None:
        names = [entry["name"] for entry in self._place.pod["spec"].get("imagePullSecrets") or []]
        gather = await asyncio.gather(*(self.fetch(("Secret", name)) for name in names))
        return credentials([secret for secret in gather if secret], reference.registry)

    async def _environment(self, image: Image) -> dict[str, str]:
        pod, container, place = self._place.pod, self._container, self._place
        sources = sorted(sources_of(container))
        gather, services = await asyncio.gather(
            asyncio.gather(*(self.fetch(source) for source in sources)), self._service_variables()
        )
        home = {"HOME": str(place.folder / "tmp"), "HOSTNAME": pod["metadata"]["name"], "LANG": "C.UTF-8"}
        base = {"PATH": commands.SYSTEM_PATH, **home, **dict(image.env), **services}
        objects = dict(zip(sources, gather, strict=True))
        env = container_environment(pod, container, place.pod_ip, objects, base)
        # Pods share this machine's network: each must listen on an address of its own.
        env["HOST"] = twin(place.pod_ip)
        env["PATH"] = f"{self._runtime.python_folder}:{env['PATH']}"
        return env

    async def _service_variables(self) -> dict[str, str]:
        if self._place.pod["spec"].get("enableServiceLinks") is False:
            return {}
        listed = await self._runtime.client.list(SERVICE, self._place.namespace)
        return service_variables(listed.items, self._runtime.services)


def _root_problem(pod: Object, container: Object, image: Image) -> str | None:
    """Why the kubelet would not start a container that must not run as root; None when it would."""
    security = {**(pod["spec"].get("securityContext") or {}), **(container.get("securityContext") or {})}
    if not security.get("runAsNonRoot"):
        return None
    if security.get("runAsUser") is not None:
        return "container's runAsUser breaks non-root policy" if security["runAsUser"] == 0 else None
    user = image.user.partition(":")[0]
    if user in ("", "0", "root"):
        return "container has runAsNonRoot and image will run as root"
    if not user.isdigit():
        unclear = f"image has non-numeric user ({user}), cannot verify user is non-root"
        return f"container has runAsNonRoot and {unclear}"
    return None

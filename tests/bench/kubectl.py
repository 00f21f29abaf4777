"""Deploys the objects that the bot renders with kubectl, in the same order, into a namespace of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.renderer import ManifestRenderer
from bot.cluster.render.tools import Tools
from bot.config.loader import CONFIG_FILE, parse_configuration
from bot.embedded.world import DOMAIN, GATEWAY
from bot.environments.render_request import render_request
from bot.model.environment import EnvironmentKey
from bot.model.manifest import Wave
from bot.model.release import Image
from bot.model.repository import Repository
from bot.model.routing import Hosts
from bot.settings import Domain
from tests.bench.scenario import MeasuredScenario, until_answer

SECONDS = 120
"""How long one command or one response may take."""
_WAITS = {
    "Deployment": ("rollout", "status"),
    "StatefulSet": ("rollout", "status"),
    "Job": ("wait", "--for=condition=Complete"),
}


@dataclass(frozen=True)
class Administrator:
    """Runs `program` with the kubeconfig of the cluster's administrator."""

    program: Path
    kubeconfig: Path

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> None:
        """Raises CalledProcessError when it fails, TimeoutExpired after `SECONDS`."""
        command = [str(self.program), f"--kubeconfig={self.kubeconfig}", *arguments]
        await asyncio.to_thread(
            subprocess.run,
            command,
            input=stdin,
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=SECONDS,
        )

    async def remove_environments(self) -> None:
        """Deletes what bots left in the cluster, so that the next one finds nothing to adopt."""
        await self.kubectl(
            "delete", "namespaces", "--selector=app.kubernetes.io/managed-by=greenroom", "--wait"
        )


@dataclass(frozen=True)
class Kubectl:
    """One application, deployed and deleted like an environment."""

    administrator: Administrator
    scenario: MeasuredScenario
    namespace: str

    @property
    def _host(self) -> str:
        return f"{self.namespace}.{DOMAIN}"

    async def create_namespace(self) -> None:
        await self.administrator.kubectl("create", "namespace", self.namespace)

    async def delete_namespace(self) -> float:
        began = time.perf_counter()
        await self.administrator.kubectl("delete", "namespace", self.namespace, "--wait")
        return time.perf_counter() - began

    async def apply(self, files: Mapping[str, bytes], commit: str, *words: str) -> float:
        """Applies a release wave by wave and waits for each; returns the seconds until it responds."""
        waves = await self._waves(files, commit)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            answer = tasks.create_task(until_answer(self.scenario, self._host, words, SECONDS))
            for objects in filter(None, waves):
                await self._apply_wave(objects)
        return answer.result() - began

    async def _apply_wave(self, objects: Sequence[Any]) -> None:
        own = f"--namespace={self.namespace}"
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        await self.administrator.kubectl(
            "apply", "--server-side", "--force-conflicts", own, "--filename=-", stdin=document
        )
        for body in objects:
            if wait := _WAITS.get(body["kind"]):
                name = f"{body['kind']}/{body['metadata']['name']}"
                await self.administrator.kubectl(*wait, name, own, f"--timeout={SECONDS}s")

    async def undo(self, words: str) -> float:
        """Undoes the last rollout; returns the seconds until the release before it responds."""
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            answer = tasks.create_task(until_answer(self.scenario, self._host, (words,), SECONDS))
            await self.administrator.kubectl(
                "rollout", "undo", "deployment/hello", f"--namespace={self.namespace}"
            )
        return answer.result() - began

    async def _waves(self, files: Mapping[str, bytes], commit: str) -> list[Sequence[Any]]:
        scenario = self.scenario
        configuration = parse_configuration(files[CONFIG_FILE].decode())
        digest = await scenario.digest(commit)
        images = {name: Image(image.repository, digest) for name, image in configuration.images.items()}
        owner, _, name = scenario.repository.partition("/")
        request = render_request(
            configuration,
            environment=EnvironmentKey.preview(1, 1),  # of no repository here, so that its pods wake no work
            repository=Repository(1, 1, owner, name),
            namespace=self.namespace,
            commit=commit,
            images=images,
            files=files,
            hosts=Hosts(self._host, self._host),
        )
        namespace, _, gateway = GATEWAY.partition("/")
        policy = ClusterPolicy(namespace, gateway, Domain("http", DOMAIN, scenario.world.gateway_port))
        bundle = await ManifestRenderer(policy, Tools()).render(request)
        return [bundle.waves[wave] for wave in Wave]

"""The bot installed on the node by docs/running.md: its commands and files are read from the page."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from bot.embedded.bot_process import BotProcess
from bot.embedded.world import DOMAIN, GATEWAY, NodeCluster, World
from tests.node import image

_PAGE = image.ROOT / "docs" / "running.md"
_QUICKSTART = image.ROOT / "docs" / "quickstart.md"
_SERVICE_IP = "10.214.0.81"
_SECONDS = 180
_MOUNT = {"name": "authority", "mountPath": "/authority"}
_VOLUME = {"name": "authority", "configMap": {"name": "authority"}}
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

URL = f"http://{_SERVICE_IP}"
"""Where the bot is reached: the address of its Service."""


def blocks(heading: str, page: Path = _PAGE) -> list[tuple[str, str]]:
    """The code blocks below a heading of the page, each with its language."""
    _, _, rest = page.read_text().partition(f"\n## {heading}\n")
    if not rest:
        raise LookupError(f"docs/{page.name} has no heading {heading!r}")
    return _BLOCK.findall(rest.partition("\n## ")[0])


@dataclass(frozen=True)
class Installation:
    """The bot in the namespace `greenroom`. `folder` holds the kustomizations and the Secret's files."""

    world: World
    node: NodeCluster
    folder: Path

    async def install(self) -> str:
        """Executes the page's sections on image and deployment; returns what `greenroom doctor` prints."""
        await self.push(image.TAG)
        create, kustomization, apply, network, *_ = blocks("4. Deployment")
        self._write_files(kustomization[1] + network[1])
        await asyncio.to_thread(self._shell, create[1])
        return await asyncio.to_thread(self._shell, apply[1])

    async def install_chart(self, programs: Path) -> str:
        """Executes the chart's commands in docs/quickstart.md; returns what `greenroom doctor` prints.

        `programs`: the folder of Helm.
        """
        [*_, (_, commands)] = blocks("3. The bot", _QUICKSTART)
        _, helm, commands = commands.partition("helm upgrade --install ")
        if not helm:
            raise LookupError("docs/quickstart.md has no `helm upgrade --install`")
        (self._own / "greenroom-values.yaml").write_text(yaml.safe_dump(self._chart_values()))
        values = {"YOUR-REGISTRY": self.node.registry.host, " deploy/chart": f" {image.ROOT}/deploy/chart"}
        commands = _with_values(commands, values)
        adopting = f"{programs}/helm upgrade --install --take-ownership --force-conflicts {commands}"
        return await asyncio.to_thread(self._shell, adopting)

    async def remove(self) -> None:
        """Removes the bot and its rights, also those that the world installed."""
        base = image.ROOT / "deploy" / "base"
        command = f"kubectl delete --ignore-not-found --kustomize {base}"
        await asyncio.to_thread(self._shell, command)

    async def push(self, tag: str) -> None:
        """Pushes the assembled image, in place of the page's `docker push`."""
        [(_, commands)] = blocks("3. Image")
        expected = "docker build --file deploy/Dockerfile --tag YOUR-REGISTRY/greenroom:0.1.0 .\n"
        if commands != f"{expected}docker push YOUR-REGISTRY/greenroom:0.1.0\n":
            raise LookupError(f"docs/running.md has other commands for the image:\n{commands}")
        layout = image.layout()
        built = layout.resolve(image.TAG)
        if built is None:
            raise LookupError("the image is not assembled: run python -m tests.node.image")
        layout.tag(built, tag)
        await self.node.registry.push(image.NAME, layout, tag)

    def kubectl(self, arguments: str) -> str:
        """Runs kubectl as the administrator; returns its output. Raises RuntimeError when it fails."""
        return self._shell(f"kubectl {arguments}")

    def _write_files(self, kustomization: str) -> None:
        credentials = self.world.github.credentials
        for name, value in {
            "private-key.pem": credentials.private_key,
            "client-secret.txt": credentials.client_secret,
            "webhook-secret.txt": credentials.webhook_secret,
        }.items():
            (self._own / name).write_text(value)
        page = self.folder / "page"
        page.mkdir(exist_ok=True)
        (page / "kustomization.yaml").write_text(_with_values(kustomization, self._values()))
        if not (self.folder / "greenroom").exists():
            (self.folder / "greenroom").symlink_to(image.ROOT)
        (self._own / "kustomization.yaml").write_text(yaml.safe_dump(self._overlay()))
        (self._own / "ca.crt").write_bytes(self.node.registry.authority.read_bytes())

    @property
    def _own(self) -> Path:
        own = self.folder / "own"
        own.mkdir(exist_ok=True)
        return own

    def _values(self) -> Mapping[str, str]:
        """This cluster's values for the page's examples."""
        namespace, _, name = GATEWAY.partition("/")
        credentials = self.world.github.credentials
        return {
            "YOUR-REGISTRY": self.node.registry.host,
            "123456": str(credentials.app_id),
            "Iv23abcdefghijklmnop": credentials.client_id,
            "https://greenroom.example.com": URL,
            "greenroom.example.com": "greenroom.localhost",
            '"*.preview.example.com"': f'"*.{DOMAIN}"',
            "=preview.example.com": f"=http://localhost:{self.world.gateway_port}",
            "gateways/public": GATEWAY,
            "{namespace: gateways, name: public}": f"{{namespace: {namespace}, name: {name}}}",
            "10.20.30.40": self.node.address,
        }

    def _settings(self) -> dict[str, str]:
        """What this cluster needs besides the page: addresses, and a private certificate authority."""
        return {
            "GREENROOM_GITHUB_API_URL": self.world.github.api_url,
            "GREENROOM_GATEWAY_ADDRESS": self.node.gateway_address,
            "GREENROOM_GATEWAY_METRICS": "http://traefik-metrics.traefik.svc:9100/metrics",
            "GREENROOM_GATEWAY_PODS": self.node.gateway_pods,
            "GREENROOM_PRIVATE_REGISTRIES": self.node.registry.host,
            "SSL_CERT_FILE": "/authority/ca.crt",
        }

    def _chart_values(self) -> dict[str, object]:
        credentials = self.world.github.credentials
        settings = {
            "GREENROOM_GITHUB_APP_ID": str(credentials.app_id),
            "GREENROOM_GITHUB_CLIENT_ID": credentials.client_id,
            "GREENROOM_PUBLIC_URL": URL,
            "GREENROOM_BASE_DOMAIN": f"http://localhost:{self.world.gateway_port}",
            "GREENROOM_GATEWAY": GATEWAY,
        }
        return {
            "settings": settings | self._settings(),
            "route": False,  # the host of the URL is an address
            "volumes": [_VOLUME],
            "volumeMounts": [_MOUNT],
            "networkPolicy": {"privateNetworks": [f"{self.node.address}/32"]},
        }

    def _overlay(self) -> dict[str, object]:
        settings = self._settings()
        pod = {"containers": [{"name": "greenroom", "volumeMounts": [_MOUNT]}], "volumes": [_VOLUME]}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "greenroom"},
            "spec": {"template": {"spec": pod}},
        }
        address = [{"op": "add", "path": "/spec/clusterIP", "value": _SERVICE_IP}]
        return {
            "resources": ["../page"],
            "namespace": "greenroom",
            "configMapGenerator": [
                {
                    "name": "greenroom-settings",
                    "behavior": "merge",
                    "literals": [f"{name}={value}" for name, value in settings.items()],
                },
                {"name": "authority", "files": ["ca.crt"], "options": {"disableNameSuffixHash": True}},
            ],
            "patches": [
                {"patch": yaml.safe_dump(deployment)},
                {"target": {"kind": "Service", "name": "greenroom"}, "patch": yaml.safe_dump(address)},
            ],
        }

    def _shell(self, commands: str) -> str:
        programs = self.node.kubeconfig.parents[1] / "bin"
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", "KUBECONFIG": str(self.node.kubeconfig)}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self._own,
            env=environment,
            text=True,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{commands}\n{done.stdout}\n{done.stderr}")
        return done.stdout


def _with_values(text: str, values: Mapping[str, str]) -> str:
    for example, value in values.items():
        if example not in text:
            raise LookupError(f"docs/running.md no longer contains {example!r}")
        text = text.replace(example, value)
    return text


class InstalledBot(BotProcess):
    """The bot's Deployment in place of a process. Its log is that of its pods."""

    def __init__(self, installation: Installation, settings: Mapping[str, str]) -> None:
        super().__init__(80, settings, installation.folder / "unused.log")
        self._installation = installation

    @property
    def url(self) -> str:
        return URL

    async def start(self) -> None:
        """Returns when it is ready."""
        await self._kubectl("scale --namespace greenroom deployment/greenroom --replicas=1")
        await self._kubectl("rollout status --namespace greenroom deployment/greenroom --timeout=120s")
        await self.answering()

    async def answering(self) -> None:
        """Returns when its Service answers. Raises httpx.TransportError after half a minute."""
        transport = httpx.AsyncHTTPTransport(retries=8)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            (await client.get(f"{self.url}/readyz")).raise_for_status()

    async def stop(self) -> None:
        """Returns when its pods are deleted."""
        await self._kubectl("scale --namespace greenroom deployment/greenroom --replicas=0")
        gone = "wait --namespace greenroom --for=delete pod --selector app.kubernetes.io/name=greenroom"
        await self._kubectl(f"{gone} --timeout=60s")

    async def kill(self) -> None:
        """Kills its pods without a grace period; the Deployment starts others."""
        pods = "pod --namespace greenroom --selector app.kubernetes.io/name=greenroom"
        await self._kubectl(f"delete {pods} --grace-period=0 --force --wait=false")

    async def _kubectl(self, arguments: str) -> str:
        return await asyncio.to_thread(self._installation.kubectl, arguments)

"""The operators of secrets on the control plane of a site, and the bot's settings for them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.embedded.bot_process import free_port
from tests.kubernetes import binaries, secret_programs
from tests.kubernetes.programs import running
from tests.story.conftest import PATIENCE_SECONDS, Site
from tests.unit.cli.process import run_process

_KEYS = "sealedsecrets.bitnami.com/sealed-secrets-key"


class Administrator:
    """Commands of the cluster's administrator."""

    def __init__(self, site: Site) -> None:
        self.kubeconfig = str(site.world.kubeconfig)

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        command = [str(binaries.locate() / "kubectl"), f"--kubeconfig={self.kubeconfig}", *words]
        done = subprocess.run(command, input=stdin, text=True, check=False, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.kubectl("apply", "--server-side", "--filename=-", stdin=text)

    def count(self, resource: str) -> None:
        """Waits until quotas count objects of a new kind: Kubernetes notices it within half a minute."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        name, used = "counts", ""
        while not used:
            assert time.monotonic() < deadline, f"quotas do not count {resource}"
            self.kubectl("delete", "resourcequota", name, "--namespace=default", "--ignore-not-found")
            quota = ("create", "quota", name, "--namespace=default", f"--hard=count/{resource}=50")
            self.kubectl(*quota)
            time.sleep(2)
            used = self.kubectl(
                "get", "quota", name, "--namespace=default", "--output=jsonpath={.status.used}"
            )
        self.kubectl("delete", "resourcequota", name, "--namespace=default")

    def allow(self, site: Site, **settings: str) -> None:
        """Gives the bot the rights that the settings require, as docs/secrets.md describes."""
        own = {**site.settings, "GREENROOM_SECRETS_NAMESPACES": "", **settings}
        done = run_process("rights", **own)
        assert done.returncode == 0, done.stderr
        self.kubectl("apply", "--filename=-", stdin=done.stdout)


class Seals:
    """Seals values for the controller of sealed-secrets, which can be stopped."""

    def __init__(self, certificate: Path, controller: int) -> None:
        self._certificate = certificate
        self._controller = controller

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Meanwhile the controller opens nothing."""
        os.kill(self._controller, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._controller, signal.SIGCONT)

    def seal(self, name: str, value: str, scope: str, namespace: str = "default") -> bytes:
        """The manifest of a SealedSecret with the key TOKEN."""
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "data": {"TOKEN": base64.b64encode(value.encode()).decode()},
        }
        program = str(secret_programs.locate("kubeseal"))
        command = [program, f"--cert={self._certificate}", f"--scope={scope}", "--format=yaml"]
        return subprocess.run(
            command, input=json.dumps(secret).encode(), check=True, stdout=subprocess.PIPE
        ).stdout


@contextlib.contextmanager
def sealed_secrets(administrator: Administrator, folder: Path) -> Iterator[Seals]:
    """The controller of sealed-secrets."""
    certificate = folder / "seal.pem"

    def has_key() -> bool:
        words = ("get", "secrets", "--namespace=default", f"--selector={_KEYS}=active", "--output=json")
        items = json.loads(administrator.kubectl(*words))["items"]
        if items:
            certificate.write_bytes(base64.b64decode(items[-1]["data"]["tls.crt"]))
        return bool(items)

    addresses = (f"--listen-addr=127.0.0.1:{free_port()}", f"--listen-metrics-addr=127.0.0.1:{free_port()}")
    command = (str(secret_programs.locate("sealed-secrets-controller")), *addresses)
    log = folder / "sealed-secrets.log"
    with running(command, log, has_key, KUBECONFIG=administrator.kubeconfig) as controller:
        administrator.count("sealedsecrets.bitnami.com")
        yield Seals(certificate, controller.pid)


@contextlib.contextmanager
def external_secrets(administrator: Administrator, folder: Path) -> Iterator[None]:
    """The controller of the External Secrets Operator."""
    log = folder / "external-secrets.log"
    command = (
        str(secret_programs.locate("external-secrets")),
        f"--metrics-addr=127.0.0.1:{free_port()}",
        "--enable-cluster-external-secret-reconciler=false",
        "--enable-push-secret-reconciler=false",
        "--enable-cluster-push-secret-reconciler=false",
    )

    def works() -> bool:
        return log.exists() and "Starting workers" in log.read_text(errors="replace")

    with running(command, log, works, KUBECONFIG=administrator.kubeconfig):
        administrator.count("externalsecrets.external-secrets.io")
        yield

"""A real Kubernetes control plane on loopback: etcd, kube-apiserver and kube-controller-manager.

There is no scheduler and no kubelet: the embedded node binds and runs the pods. RBAC is on. All files are
in one private folder, deleted at the end of the `with` block, also after errors.
"""

import contextlib
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from tests.kubernetes import binaries
from tests.kubernetes.certificates import Authority

START_SECONDS = 90
STOP_SECONDS = 10
# A part ends when this process does, however that ends: the kernel sees to it (PR_SET_PDEATHSIG, SIGKILL).
_BOUND_TO_US = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"


class StartError(Exception):
    """A component of the control plane did not start; the message ends with its last output."""


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane: a kubeconfig of its administrator and the programs that were built with it."""

    kubeconfig: Path
    folder: Path
    programs: Path

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as administrator; its output. Raises `CalledProcessError` when it fails."""
        command = [str(self.programs / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, input=stdin, text=True, check=True, stdout=subprocess.PIPE).stdout


@contextlib.contextmanager
def control_plane(definitions: Sequence[Path] = ()) -> Iterator[ControlPlane]:
    """Start it, wait until it serves namespaces with their service accounts and the Gateway API.

    Also the custom resources in the files of `definitions`. All are there before the controllers start:
    these would notice them half a minute later, and until then no quota counts such objects.
    """
    programs = binaries.locate()
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="greenroom-control-plane-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        parts = stack.enter_context(_Parts(programs, folder))
        authority = Authority(folder)
        etcd = _start_etcd(parts, folder)
        service_key = authority.signing_key("service-accounts")
        kubeconfig = _start_apiserver(parts, folder, authority, etcd, service_key)
        plane = ControlPlane(kubeconfig, folder, programs)
        files = (f"--filename={path}" for path in (*binaries.crds(), *definitions))
        plane.kubectl("apply", "--server-side", *files)
        if definitions:
            plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        crds = ("gatewayclasses", "gateways", "grpcroutes", "httproutes")
        for name in (f"{crd}.gateway.networking.k8s.io" for crd in crds):
            plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/{name}")
            _until(partial(_is_served, plane, name), parts, "kube-apiserver")
        _start_controllers(parts, kubeconfig, authority, service_key)
        account = (
            "get",
            "serviceaccount",
            "default",
            "--namespace=default",
            "--ignore-not-found",
            "--output=name",
        )
        _until(lambda: bool(plane.kubectl(*account)), parts, "kube-controller-manager")
        yield plane


def _is_served(plane: ControlPlane, resource: str) -> bool:
    """An established kind may still answer that its storage is initializing."""
    try:
        plane.kubectl("get", resource, "--all-namespaces")
    except subprocess.CalledProcessError:
        return False
    return True


class _Parts:
    """The processes, each with its log; leaving the block stops them, the newest first."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "_Parts":
        return self

    def __exit__(self, *error: object) -> None:
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, name: str, **flags: str) -> None:
        options = [f"--{key.replace('_', '-')}={value}" for key, value in flags.items()]
        command = [sys.executable, "-I", "-S", "-c", _BOUND_TO_US, str(self._programs / name), *options]
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        self._running.append(process)

    def check(self, name: str) -> None:
        """Raise when a process has ended; `name` is the one that is waited for."""
        if any(process.poll() is not None for process in self._running):
            raise StartError(f"the control plane ended while it started:\n{self.last_log_lines(name)}")

    def last_log_lines(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")[-2000:]


def _start_etcd(parts: _Parts, folder: Path) -> str:
    client, peer = (f"http://127.0.0.1:{port}" for port in _free_ports(2))
    parts.start(
        "etcd",
        data_dir=str(folder / "etcd"),
        listen_client_urls=client,
        advertise_client_urls=client,
        listen_peer_urls=peer,
        initial_advertise_peer_urls=peer,
        initial_cluster=f"default={peer}",
        # Nothing in it is worth keeping.
        unsafe_no_fsync="true",
        log_level="warn",
    )
    _until(lambda: _answers(f"{client}/readyz"), parts, "etcd")
    return client


def _start_apiserver(parts: _Parts, folder: Path, authority: Authority, etcd: str, service_key: Path) -> Path:
    [port] = _free_ports(1)
    certificate, key = authority.server("kube-apiserver")
    parts.start(
        "kube-apiserver",
        etcd_servers=etcd,
        bind_address="127.0.0.1",
        advertise_address="127.0.0.1",
        external_hostname="localhost",
        secure_port=str(port),
        tls_cert_file=str(certificate),
        tls_private_key_file=str(key),
        client_ca_file=str(authority.certificate),
        authorization_mode="RBAC",
        service_account_issuer="https://kubernetes.default.svc",
        service_account_key_file=str(service_key),
        service_account_signing_key_file=str(service_key),
        service_cluster_ip_range="10.96.0.0/16",
        # Other machines cannot use a loopback address as an endpoint.
        endpoint_reconciler_type="none",
        kubelet_preferred_address_types="InternalIP",
        allow_privileged="true",
    )
    url = f"https://127.0.0.1:{port}"
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    user, user_key = authority.client("admin", "system:masters")
    trust.load_cert_chain(user, user_key)
    kubeconfig = _write_kubeconfig(folder / "kubeconfig", url, authority.certificate, user, user_key)
    _until(lambda: _answers(f"{url}/readyz", trust), parts, "kube-apiserver")
    return kubeconfig


def _start_controllers(parts: _Parts, kubeconfig: Path, authority: Authority, service_key: Path) -> None:
    parts.start(
        "kube-controller-manager",
        kubeconfig=str(kubeconfig),
        root_ca_file=str(authority.certificate),
        service_account_private_key_file=str(service_key),
        leader_elect="false",
        secure_port="0",
    )


def _write_kubeconfig(path: Path, url: str, authority: Path, certificate: Path, key: Path) -> Path:
    name = "control-plane"
    cluster = {"server": url, "certificate-authority": str(authority)}
    user = {"client-certificate": str(certificate), "client-key": str(key)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1))
    return path


def _until(ready: Callable[[], bool], parts: _Parts, name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        parts.check(name)
        if time.monotonic() > deadline:
            raise StartError(f"{name} was not ready within {START_SECONDS} s:\n{parts.last_log_lines(name)}")
        time.sleep(0.05)


def _answers(url: str, trust: ssl.SSLContext | None = None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2, context=trust) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(listener.getsockname()[1]) for listener in listeners]


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupted)
    with contextlib.suppress(KeyboardInterrupt), control_plane() as running:
        print(f"export KUBECONFIG={running.kubeconfig}", flush=True)
        print("Running until it is interrupted (Ctrl-C)", file=sys.stderr)
        signal.pause()

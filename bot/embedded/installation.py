"""Installs the bot's account, rights and admission policy from deploy/, as an operator does."""

import os
from pathlib import Path
from typing import Any

import yaml

from bot.cluster.client.api import KubernetesApi, Object
from bot.cluster.client.errors import Refused
from bot.cluster.client.kinds import NAMESPACE, ROLE, ROLE_BINDING, SERVICE_ACCOUNT, Kind
from bot.embedded.kubernetes import KubernetesServer

BASE = Path(__file__).parents[2] / "deploy" / "base"
ACCOUNT_NAMESPACE, ACCOUNT = "greenroom", "greenroom"

_RBAC, _ADMISSION = "rbac.authorization.k8s.io/v1", "admissionregistration.k8s.io/v1"
_KINDS = {
    kind.name: kind
    for kind in (
        SERVICE_ACCOUNT,
        ROLE,
        ROLE_BINDING,
        Kind(_RBAC, "ClusterRole", "clusterroles", namespaced=False),
        Kind(_RBAC, "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
        Kind(_ADMISSION, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False),
        Kind(
            _ADMISSION,
            "ValidatingAdmissionPolicyBinding",
            "validatingadmissionpolicybindings",
            namespaced=False,
        ),
    )
}
_TOKEN_SECONDS = 24 * 60 * 60


async def install(
    client: KubernetesApi,
    app_id: int,
    administrator: Path,
    path: Path,
    server: KubernetesServer | None = None,
) -> Path:
    """Installs as the administrator of a kubeconfig, and writes the bot's own kubeconfig to `path`.

    `server` is the embedded API server, which enforces the policy itself; None for a real one.
    """
    await write(client, NAMESPACE, {"metadata": {"name": ACCOUNT_NAMESPACE}})
    for body in rights():
        await write(client, _KINDS[body["kind"]], body)
    if server is None:
        for body in policy(app_id):
            await write(client, _KINDS[body["kind"]], body)
    else:
        server.confinement.confine(f"{ACCOUNT_NAMESPACE}:{ACCOUNT}", app_id)
    token = await _token(client)
    if server is not None:
        return server.write_kubeconfig(path, token)
    return _write_kubeconfig(administrator, token, path)


def rights() -> list[dict[str, Any]]:
    """The objects of rights.yaml."""
    return _objects("rights.yaml")


def policy(app_id: int) -> list[dict[str, Any]]:
    """The objects of policy.yaml, for an App."""
    objects = _objects("policy.yaml")
    for body in objects:
        for variable in body["spec"].get("variables", ()):
            if variable["name"] == "app":
                variable["expression"] = f'"{app_id}"'
    return objects


def _objects(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((BASE / name).read_text()))


async def write(client: KubernetesApi, kind: Kind, body: Object) -> None:
    """Creates an object in the bot's own namespace, or changes it."""
    namespace = ACCOUNT_NAMESPACE if kind.namespaced else None
    typed = {"apiVersion": kind.api_version, "kind": kind.name, **body}
    try:
        await client.create(kind, typed, namespace)
    except Refused as error:
        if not error.already_exists:
            raise
        await client.patch(kind, body["metadata"]["name"], typed, namespace)


async def _token(client: KubernetesApi) -> str:
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "metadata": {"name": ACCOUNT},
        "spec": {"expirationSeconds": _TOKEN_SECONDS},
    }
    answer = await client.create(SERVICE_ACCOUNT, request, ACCOUNT_NAMESPACE, subresource="token")
    return str(answer["status"]["token"])


def _write_kubeconfig(administrator: Path, token: str, path: Path) -> Path:
    config = yaml.safe_load(administrator.read_text())
    current = next(entry for entry in config["contexts"] if entry["name"] == config["current-context"])
    user = current["context"]["user"] = "greenroom"
    config = {**config, "contexts": [current], "users": [{"name": user, "user": {"token": token}}]}
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    os.chmod(path, 0o600)
    return path

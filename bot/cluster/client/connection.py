"""Finds the API server: a kubeconfig that was named, or the account of the Pod that the bot runs in."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.telemetry import ApiTelemetry, NoApiTelemetry
from bot.model.errors import GreenroomError


class ConnectionFailed(GreenroomError):
    """The bot does not know how to reach the cluster; the message says what to do."""


_UNTOLD = NoApiTelemetry()


async def connect(kubeconfig: str | None, telemetry: ApiTelemetry = _UNTOLD) -> KubernetesApi:
    """Reads the connection's settings; nothing is asked of the cluster yet."""
    configuration = Configuration()
    # Keys that a kubeconfig carries inline pass through files; they are gone once the client holds them.
    with tempfile.TemporaryDirectory(prefix="greenroom-") as folder:
        if kubeconfig:
            await _from_file(_existing(kubeconfig), configuration, folder)
        else:
            _from_pod(configuration)
        try:
            client = ApiClient(configuration)
        except (OSError, ssl.SSLError, ValueError) as error:
            where = kubeconfig or "the Pod's service account"
            raise ConnectionFailed(f"The certificates of {where} cannot be used: {error}") from None
    client.user_agent = "greenroom"
    return KubernetesApi(client, telemetry)


def _existing(kubeconfig: str) -> Path:
    path = Path(kubeconfig).expanduser()
    if not path.is_file():
        raise ConnectionFailed(f"KUBECONFIG names {path}, and there is no such file.")
    return path


async def _from_file(path: Path, configuration: Any, folder: str) -> None:
    try:
        loader = await load_kube_config(  # type: ignore[no-untyped-call]  # the library has no types
            config_file=str(path),
            client_configuration=configuration,
            persist_config=False,
            temp_file_path=folder,
        )
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError) as error:
        raise ConnectionFailed(f"{path} cannot be used as a kubeconfig: {error}") from None
    if not getattr(loader, "host", None):
        raise ConnectionFailed(f"{path} names no server in its current context.")
    if hasattr(loader, "exec_plugin_expiry"):
        configuration.refresh_api_key_hook = _refreshed_by(loader)


def _refreshed_by(loader: Any) -> Any:
    async def refresh(configuration: Any) -> None:
        """Asks the kubeconfig's program again when its token is about to end."""
        await loader.load_from_exec_plugin()
        configuration.api_key["BearerToken"] = loader.token

    return refresh


def _from_pod(configuration: Any) -> None:
    try:
        load_incluster_config(configuration)  # type: ignore[no-untyped-call]  # the library has no types
    except (ConfigException, OSError) as error:
        raise ConnectionFailed(
            f"There is no cluster: KUBECONFIG is not set, and this is no Pod with a service account ({error})"
        ) from None

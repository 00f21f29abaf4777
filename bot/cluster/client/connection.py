"""Connects to the API server by a kubeconfig or by the ServiceAccount of the bot's own Pod."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, kube_config, load_incluster_config, load_kube_config

from bot.clients.proxies import Proxies
from bot.cluster.client.api import KubernetesApi
from bot.cluster.client.sockets import RestClient, Sockets
from bot.cluster.client.transport import TOTAL_SECONDS, ApiTelemetry, NoApiTelemetry, Transport
from bot.cluster.names import FIELD_MANAGER
from bot.model.errors import GreenroomError


class ConnectionFailed(GreenroomError):
    """The connection's settings are missing or invalid."""


_LISTS = ("clusters", "contexts")
_CORRECT = "Correct KUBECONFIG; `kubectl config view` shows a valid file."
_NO_TELEMETRY = NoApiTelemetry()


async def connect(
    kubeconfig: str | Path | None,
    telemetry: ApiTelemetry = _NO_TELEMETRY,
    *,
    context: str | None = None,
    user_agent: str = FIELD_MANAGER,
    proxies: Proxies | None = None,
) -> KubernetesApi:
    """Reads the connection's settings without a request to the cluster. Raises ConnectionFailed."""
    return KubernetesApi(
        await open_transport(kubeconfig, telemetry, context=context, user_agent=user_agent, proxies=proxies)
    )


async def open_transport(
    kubeconfig: str | Path | None,
    telemetry: ApiTelemetry = _NO_TELEMETRY,
    *,
    context: str | None = None,
    user_agent: str = FIELD_MANAGER,
    proxies: Proxies | None = None,
    service: str = "Kubernetes",
) -> Transport:
    """Like `connect`. `context` is that of the kubeconfig, by default its current one; `service` is logged.

    `proxy-url` of the kubeconfig has priority over the environment's proxies.
    """
    configuration = Configuration()
    # The library writes inline keys to files; they are deleted once the client has loaded them.
    with tempfile.TemporaryDirectory(prefix="greenroom-") as folder:
        if kubeconfig:
            await _from_file(_existing(kubeconfig), context, configuration, folder)
        else:
            _from_pod(configuration)
        # The library's own choice ignores networks in NO_PROXY.
        configuration.client_session_kwargs = {"trust_env": False}
        if not configuration.proxy:
            configuration.proxy = (proxies or Proxies.from_environment()).for_url(configuration.host)
        sockets = Sockets()
        try:
            client = ApiClient(configuration)
            client.rest_client = RestClient(configuration, sockets)
        except (OSError, ssl.SSLError, ValueError) as error:
            source = kubeconfig or "the Pod's ServiceAccount"
            raise ConnectionFailed(f"The certificates of {source} are invalid: {error}") from None
    client.user_agent = user_agent
    return Transport(client, sockets, telemetry, service)


def _existing(kubeconfig: str | Path) -> Path:
    path = Path(kubeconfig).expanduser()
    if not path.is_file():
        raise ConnectionFailed(f"The file {path} does not exist. Correct KUBECONFIG.")
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConnectionFailed(f"{path} cannot be read: {error.strerror}. Correct KUBECONFIG.") from None
    except (yaml.YAMLError, ValueError):
        content = None
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in _LISTS):
        lists = " and ".join(_LISTS)
        raise ConnectionFailed(f"{path} is not a kubeconfig: it has no lists of {lists}. {_CORRECT}")
    return path


async def _from_file(path: Path, context: str | None, configuration: Any, folder: str) -> None:
    # The library remembers its files by content, and would name those of an earlier connection.
    kube_config._temp_files.clear()
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            loader = await load_kube_config(  # type: ignore[no-untyped-call]  # the library has no types
                config_file=str(path),
                context=context,
                client_configuration=configuration,
                persist_config=False,
                temp_file_path=folder,
            )
    except TimeoutError:
        raise ConnectionFailed(f"The exec plugin of {path} does not answer. {_CORRECT}") from None
    except ConfigException as error:
        reason = str(error).removeprefix("Invalid kube-config file. ")
        raise ConnectionFailed(f"{path} is not a valid kubeconfig: {reason}. {_CORRECT}") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        message = f"{path} is not a valid kubeconfig: a field has the wrong type"
        raise ConnectionFailed(f"{message}. {_CORRECT}") from None
    if not getattr(loader, "host", None):
        chosen = f"The context {context}" if context else "The current context"
        raise ConnectionFailed(f"{chosen} of {path} has no server. Select another context.")
    if _lacks_credentials(loader):
        # The library logs the reason and would go on as an anonymous user.
        message = f"The exec plugin of {path} returns no credentials; the log has the reason"
        raise ConnectionFailed(f"{message}. Run it as the bot's user.")
    if hasattr(loader, "exec_plugin_expiry"):
        configuration.refresh_api_key_hook = _refresh_hook(loader)


def _lacks_credentials(loader: Any) -> bool:
    """Whether the kubeconfig has an exec plugin from which neither token nor certificate came."""
    user = getattr(loader, "_user", None)
    return (
        user is not None and "exec" in user and not (hasattr(loader, "token") or hasattr(loader, "cert_file"))
    )


def _refresh_hook(loader: Any) -> Any:
    async def refresh(configuration: Any) -> None:
        """Runs the kubeconfig's exec plugin again when its token is about to expire."""
        async with asyncio.timeout(TOTAL_SECONDS):
            await loader.load_from_exec_plugin()
        configuration.api_key["BearerToken"] = loader.token

    return refresh


def _from_pod(configuration: Any) -> None:
    try:
        load_incluster_config(configuration)  # type: ignore[no-untyped-call]  # the library has no types
    except (ConfigException, OSError) as error:
        raise ConnectionFailed(
            f"No cluster is configured. Set KUBECONFIG, or run in a Pod with a ServiceAccount ({error})"
        ) from None

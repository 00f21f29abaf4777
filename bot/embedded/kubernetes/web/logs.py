"""Container logs, fetched from the node that runs the pod."""

from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bot.embedded.kubernetes.errors import ApiError, bad_request
from bot.embedded.kubernetes.objects import Object, dig, name_of, namespace_of, rows
from bot.embedded.kubernetes.registry.registry import Registry
from bot.embedded.kubernetes.registry.requests import Target
from bot.embedded.kubernetes.resources import resource_of

_PASSED = ("tailLines", "follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "limitBytes")


class Logs:
    """Proxies `pods/log` to `GET /containerLogs/NAMESPACE/POD/CONTAINER` of the node's kubelet endpoint."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(10.0, read=None), trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def serve(self, target: Target, request: Request) -> Response:
        pod = self._registry.get(Target(target.resource, target.namespace, target.name))
        container = _container(pod, request.query_params.get("container", ""))
        base = self._node_url(pod)
        if not base:
            return Response(status_code=204)
        place = "/".join(quote(part, safe="") for part in (namespace_of(pod), name_of(pod), container))
        query = {name: request.query_params[name] for name in _PASSED if name in request.query_params}
        outgoing = self._client.build_request("GET", f"{base}/containerLogs/{place}", params=query)
        try:
            response = await self._client.send(outgoing, stream=True)
        except httpx.HTTPError as error:
            raise _unreachable(f'Get "{outgoing.url}": {error or type(error).__name__}') from None
        if response.status_code != 200:
            message = (await response.aread()).decode(errors="replace")
            await response.aclose()
            raise bad_request(message) if response.status_code == 400 else _unreachable(message)
        return StreamingResponse(_passed_on(response), media_type="text/plain")

    def _node_url(self, pod: Object) -> str:
        """The address of the pod's node; empty for a pod without a node."""
        name = dig(pod, "spec", "nodeName")
        if not name:
            return ""
        node = self._registry.get(Target(resource_of("nodes"), "", name))
        addresses = {address["type"]: address["address"] for address in rows(node, "status", "addresses")}
        port = dig(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port")
        if "InternalIP" not in addresses or not port:
            raise _unreachable(f"no preferred addresses found for node {name}")
        return f"http://{addresses['InternalIP']}:{port}"


def _unreachable(reason: str) -> ApiError:
    return ApiError(
        500, "InternalError", f"an error on the server prevented the request from succeeding: {reason}"
    )


def _container(pod: Object, requested: str) -> str:
    """The container whose log is meant; a 400 when the pod leaves it open or has none of that name."""
    running = [container["name"] for container in rows(pod, "spec", "containers")]
    initial = [container["name"] for container in rows(pod, "spec", "initContainers")]
    if requested:
        if requested not in running + initial:
            raise bad_request(f"container {requested} is not valid for pod {name_of(pod)}")
        return requested
    if len(running) == 1:
        return str(running[0])
    init = f" or one of the init containers: [{' '.join(initial)}]" if initial else ""
    raise bad_request(
        f"a container name must be specified for pod {name_of(pod)}, "
        f"choose one of: [{' '.join(running)}]{init}"
    )


async def _passed_on(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx.HTTPError:
        # The node went away in the middle of a log: what came is all there is.
        return
    finally:
        await response.aclose()

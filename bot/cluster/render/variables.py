"""Variables of all containers: configuration with its placeholders, and the environment's addresses. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.cluster.policy import ClusterPolicy
from bot.model.environment import EnvironmentKind
from bot.model.manifest import RenderRequest
from bot.model.placeholders import Placeholder, expand
from bot.model.routing import Address, variable_name

URL = "GREENROOM_URL"
HOST = "GREENROOM_HOST"


def is_address(variable: str) -> bool:
    return variable in (URL, HOST) or variable.startswith(f"{URL}_")


def url(host: str, request: RenderRequest, policy: ClusterPolicy) -> str:
    domain = policy.domain_of(request.fork)
    return f"{domain.scheme}://{host}{domain.suffix}" if host else ""


def with_variables(
    request: RenderRequest, addresses: Sequence[Address], policy: ClusterPolicy
) -> RenderRequest:
    """The request with the variables of its addresses, and with values for the placeholders."""
    values = _values(request, policy)
    configured = {name: expand(text, values) for name, text in request.config.items()}
    return replace(request, config={**_addresses(addresses, request, policy), **configured})


def with_settings(request: RenderRequest, policy: ClusterPolicy) -> RenderRequest:
    """The request with values for the placeholders in the settings of its chart."""
    return _with_settings(request, _values(request, policy))


def with_neutral_settings(request: RenderRequest) -> RenderRequest:
    """The same for the digest of a release, which no environment may change."""
    host = "greenroom-release.invalid"
    values = {
        Placeholder.URL: f"https://{host}",
        Placeholder.HOST: host,
        Placeholder.SHA: request.commit,
        Placeholder.NUMBER: "",
    }
    return _with_settings(request, values)


def _values(request: RenderRequest, policy: ClusterPolicy) -> Mapping[Placeholder, str]:
    preview = request.environment.kind is EnvironmentKind.PREVIEW
    return {
        Placeholder.URL: url(request.hosts.own, request, policy),
        Placeholder.HOST: request.hosts.own,
        Placeholder.SHA: request.commit,
        Placeholder.NUMBER: request.environment.name if preview else "",
    }


def _with_settings(request: RenderRequest, values: Mapping[Placeholder, str]) -> RenderRequest:
    settings = {
        name: expand(value, values) if isinstance(value, str) else value
        for name, value in request.helm_settings.items()
    }
    return replace(request, helm_settings=settings)


def _addresses(
    addresses: Sequence[Address], request: RenderRequest, policy: ClusterPolicy
) -> Mapping[str, str]:
    """`GREENROOM_URL` and `GREENROOM_HOST`, and a variable for each further route."""
    if not addresses or not request.hosts.own:
        return {}
    own = request.hosts.own
    further = {
        variable_name(address.name): url(address.host, request, policy) + address.path.rstrip("/")
        for address in addresses[1:]
    }
    return {URL: url(own, request, policy), HOST: own, **further}

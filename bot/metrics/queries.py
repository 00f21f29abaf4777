"""The queries of a Prometheus: presets for gateways, and placeholders. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from string import ascii_lowercase, digits

from pydantic import BaseModel, ConfigDict, Field

from bot.metrics.exposition import GRPC_ERRORS
from bot.model.rollout import Backend

_NAME_CHARACTERS = frozenset(f"{ascii_lowercase}{digits}-.")


class Unit(StrEnum):
    """The unit of the bounds of a histogram."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"


class Queries(BaseModel):
    """PromQL of counters, not of rates: one series for each source, such as a pod of the gateway.

    `{namespace}`, `{service}`, `{port}`, `{ports}` and `{cluster}` are replaced.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: str = Field(min_length=1, max_length=4000)
    errors: str = Field(min_length=1, max_length=4000)
    """Requests that failed. A series without a partner in `requests` is an error."""
    durations: str | None = Field(default=None, min_length=1, max_length=4000)
    """The buckets of a histogram, with the label `le`; None compares no durations."""
    unit: Unit = Unit.SECONDS


class Preset(StrEnum):
    TRAEFIK = "traefik"
    ISTIO = "istio"


def filled(query: str, namespace: str, backends: Sequence[Backend], cluster: str) -> Sequence[str]:
    """The query for each of these Services, and for each port if it has `{port}`; none of them twice."""
    ports: dict[str, list[str]] = {}
    for backend in backends:
        ports.setdefault(backend.service, []).append(str(backend.port))
    texts = [
        _filled(
            query,
            {
                "{namespace}": namespace,
                "{service}": backend.service,
                "{port}": str(backend.port),
                "{cluster}": cluster,
            },
        ).replace("{ports}", "|".join(ports[backend.service]))
        for backend in backends
    ]
    return list(dict.fromkeys(texts))


def _filled(query: str, values: Mapping[str, str]) -> str:
    for placeholder, value in values.items():
        assert set(value) <= _NAME_CHARACTERS, "names of Kubernetes cannot end a string of PromQL"
        query = query.replace(placeholder, value)
    return query


def _traefik(metric: str, by: str, also: str = "") -> str:
    """The label is `exported_service` where the scrape adds a label `service` of its own.

    Since Traefik 3.7.6 its value begins with the name of a route and has no port. Its series are not added
    up, since each of them can begin and end when the route changes.
    """
    of_port = "{namespace}-{service}-(http|grpc)-({ports})"
    of_route = "(http|grpc)route-{namespace}-.+-[0-9a-f]{20}-svc-{namespace}-{service}-[0-9]+"
    service = f'"({of_port}|{of_route})@kubernetesgateway"'
    sides = " or ".join(f"{metric}{{{label}=~{service}{also}}}" for label in ("service", "exported_service"))
    return f"sum by ({by}, service, exported_service) ({sides})"


def _istio(metric: str, by: str, also: str = "") -> str:
    labels = (
        'reporter="source",destination_service_namespace="{namespace}",destination_service_name="{service}"'
    )
    return f"sum by ({by}) ({metric}{{{labels}{also}}})"


_SOURCE = "instance, pod"
_ERRORS = "|".join(["5..", *map(str, GRPC_ERRORS)])
PRESETS = {
    Preset.TRAEFIK: Queries(
        requests=_traefik("traefik_service_requests_total", _SOURCE),
        errors=_traefik("traefik_service_requests_total", _SOURCE, f',code=~"{_ERRORS}"'),
        durations=_traefik("traefik_service_request_duration_seconds_bucket", f"{_SOURCE}, le"),
    ),
    Preset.ISTIO: Queries(
        requests=_istio("istio_requests_total", _SOURCE),
        errors=_istio("istio_requests_total", _SOURCE, ',response_code=~"5.."'),
        durations=_istio("istio_request_duration_milliseconds_bucket", f"{_SOURCE}, le"),
        unit=Unit.MILLISECONDS,
    ),
}

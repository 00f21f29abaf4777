"""Kinds that an environment does not need: those that the repository names, and well-known ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bot.cluster.guard.custom_kinds import allowed_kind
from bot.cluster.manifests import Source
from bot.cluster.names import RESOURCE
from bot.cluster.render.transforms.base import Context, Object, created, subject
from bot.config.patterns import any_path_matcher, path_matches
from bot.model.notes import Effect, Note

_IGNORED = "`manifests.ignore` names this kind"
_MONITORING = "an environment has no monitoring of its own"
_CERTIFICATES = "the gateway terminates TLS"
_ROUTING = "the environment's own route replaces it"
_LIMITS = "the environment has its own"
_VOLUMES = "claims of the environment get new volumes of the cluster's classes"
_PLACEMENT = "the cluster decides where pods run"
_DEPLOYMENT = "Greenroom deploys the environment"
_FORK = "controllers act on it with rights of their own, which a fork does not get"
_UNNEEDED: Mapping[str, str] = {
    "Alertmanager.monitoring.coreos.com": _MONITORING,
    "AlertmanagerConfig.monitoring.coreos.com": _MONITORING,
    "PodMonitor.monitoring.coreos.com": _MONITORING,
    "Probe.monitoring.coreos.com": _MONITORING,
    "PrometheusRule.monitoring.coreos.com": _MONITORING,
    "ScrapeConfig.monitoring.coreos.com": _MONITORING,
    "ServiceMonitor.monitoring.coreos.com": _MONITORING,
    "*.monitoring.googleapis.com": _MONITORING,
    "*.grafana.integreatly.org": _MONITORING,
    "*.operator.victoriametrics.com": _MONITORING,
    "*.azmonitoring.coreos.com": _MONITORING,
    "*.telemetry.istio.io": _MONITORING,
    "Instrumentation.opentelemetry.io": _MONITORING,
    "Certificate.cert-manager.io": _CERTIFICATES,
    "Issuer.cert-manager.io": _CERTIFICATES,
    "ClusterIssuer.cert-manager.io": _CERTIFICATES,
    "ManagedCertificate.networking.gke.io": _CERTIFICATES,
    "*.networking.istio.io": _ROUTING,
    "*.traefik.io": _ROUTING,
    "*.traefik.containo.us": _ROUTING,
    "*.getambassador.io": _ROUTING,
    "*.projectcontour.io": _ROUTING,
    "*.configuration.konghq.com": _ROUTING,
    "*.elbv2.k8s.aws": _ROUTING,
    "*.gateway.envoyproxy.io": _ROUTING,
    "*.k8s.nginx.org": _ROUTING,
    "*.split.smi-spec.io": _ROUTING,
    "ServiceProfile.linkerd.io": _ROUTING,
    "BackendConfig.cloud.google.com": _ROUTING,
    "FrontendConfig.networking.gke.io": _ROUTING,
    "GCPBackendPolicy.networking.gke.io": _ROUTING,
    "GCPGatewayPolicy.networking.gke.io": _ROUTING,
    "HealthCheckPolicy.networking.gke.io": _ROUTING,
    "MultiClusterIngress.networking.gke.io": _ROUTING,
    "DNSEndpoint.externaldns.k8s.io": _ROUTING,
    "Gateway.gateway.networking.k8s.io": _ROUTING,
    "IngressClass.networking.k8s.io": _ROUTING,
    "Route.route.openshift.io": _ROUTING,
    "LimitRange.": _LIMITS,
    "ResourceQuota.": _LIMITS,
    "PersistentVolume.": _VOLUMES,
    "StorageClass.storage.k8s.io": _VOLUMES,
    "PriorityClass.scheduling.k8s.io": _PLACEMENT,
    "PodSecurityPolicy.policy": "Pod Security of the environment replaces it",
    "SecurityContextConstraints.security.openshift.io": "Pod Security of the environment replaces it",
    "VerticalPodAutoscaler.autoscaling.k8s.io": "the environment's quota limits its size",
    "*.argoproj.io": _DEPLOYMENT,
    "Application.app.k8s.io": _DEPLOYMENT,
    "BuildConfig.build.openshift.io": _DEPLOYMENT,
    "ImageStream.image.openshift.io": _DEPLOYMENT,
    "*.toolkit.fluxcd.io": _DEPLOYMENT,
}
"""Patterns of `KIND.GROUP` with the reason; workloads of `argoproj.io` are not left out."""
_WORKLOADS = ("Rollout.argoproj.io", "Workflow.argoproj.io", "CronWorkflow.argoproj.io")


def leave_out_ignored(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Leaves out the kinds that `manifests.ignore` names."""
    ignored = any_path_matcher(context.request.ignored_kinds)
    left_out = [source for source in sources if any(map(ignored.fullmatch, _names(source)))]
    return _without(sources, left_out), [
        Note(Effect.LEFT_OUT, subject(source), _IGNORED) for source in left_out
    ]


def leave_out_unneeded(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Leaves out kinds for monitoring, routing, certificates, volumes, quota and deployment by default."""
    reasons = [
        (source, reason)
        for source in sources
        if (reason := _reason(source)) and allowed_kind(source.manifest, context.policy) is None
    ]
    notes = [Note(Effect.LEFT_OUT, subject(source), reason) for source, reason in reasons]
    return _without(sources, [source for source, _ in reasons]), notes


def withhold_kinds(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Leaves out objects of kinds that the operator allows, for a fork."""
    if not context.request.fork:
        return list(sources), []
    left_out = [source for source in sources if allowed_kind(source.manifest, context.policy) is not None]
    notes = [Note(Effect.LEFT_OUT, subject(source), _FORK, in_comment=True) for source in left_out]
    return _without(sources, left_out), notes


def mark_kinds(objects: Sequence[Object], context: Context) -> tuple[list[Object], list[Note]]:
    """Marks objects of kinds that the operator allows with the name of their kind in API paths."""
    for manifest in objects:
        if (kind := allowed_kind(manifest, context.policy)) is not None:
            created(manifest["metadata"], "annotations")[RESOURCE] = kind.plural
    return list(objects), []


def _without(sources: Sequence[Source], left_out: Sequence[Source]) -> list[Source]:
    removed = {id(source) for source in left_out}
    return [source for source in sources if id(source) not in removed]


def _reason(source: Source) -> str:
    name = ".".join(_kind(source))
    if name in _WORKLOADS:
        return ""
    return next((reason for pattern, reason in _UNNEEDED.items() if path_matches(name, pattern)), "")


def _kind(source: Source) -> tuple[str, str]:
    return source.manifest["kind"], source.manifest["apiVersion"].rpartition("/")[0]


def _names(source: Source) -> Iterator[str]:
    """The forms in which a pattern may name the object's kind: `KIND`, `KIND.GROUP` or `GROUP/KIND`."""
    kind, group = _kind(source)
    yield kind
    yield f"{kind}.{group}"
    yield f"{group}/{kind}"

"""Routes of the manifests, which would claim the hosts of production."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.cluster.client.kinds import GATEWAY_GROUP, ROUTES
from bot.cluster.guard.check import field_text
from bot.cluster.manifests import Source
from bot.cluster.render.transforms.base import Context, items, mapping, subject
from bot.model.notes import Effect, Note

_REPLACED = "`.greenroom.yml` decides about routes; `routes: manifests` keeps those of the manifests"
_MESH = "the route belongs to a service mesh, not to a gateway"
_GATEWAY = "routes are attached to the operator's Gateway"
_CERTIFICATE = "the operator's Gateway has its own controller, certificates and DNS names"
_BEHAVIOUR = "the route does not keep what a controller does for this annotation"
_HARMLESS = (
    "acme.cert-manager.io/",
    "cert-manager.io/",
    "external-dns.alpha.kubernetes.io/",
    "kubectl.kubernetes.io/",
    "kubernetes.io/ingress.class",
    "kubernetes.io/tls-acme",
    "meta.helm.sh/",
    "nginx.ingress.kubernetes.io/force-ssl-redirect",
    "nginx.ingress.kubernetes.io/ssl-redirect",
    "traefik.ingress.kubernetes.io/router.entrypoints",
    "traefik.ingress.kubernetes.io/router.tls",
)
"""Annotations about certificates, names and tools, without which requests are served alike."""


def prepare_routes(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Leaves out routes and Ingresses; with `routes: manifests`, only their Gateways and annotations."""
    kept: list[Source] = []
    notes: list[Note] = []
    for source in sources:
        if not is_route(source):
            kept.append(source)
        elif not context.request.routing.from_manifests:
            # Without any route, the environment has no URL although the application has one.
            unrouted = not context.request.routing
            notes.append(Note(Effect.LEFT_OUT, subject(source), _REPLACED, in_comment=unrouted))
        elif _is_mesh_route(source):
            notes.append(Note(Effect.LEFT_OUT, subject(source), _MESH))
        else:
            kept.append(_prepared(source, notes))
    return kept, notes


def is_route(source: Source) -> bool:
    group = source.manifest["apiVersion"].rpartition("/")[0]
    return (group, source.manifest["kind"]) in ROUTES


def _prepared(source: Source, notes: list[Note]) -> Source:
    manifest, name = dict(source.manifest), subject(source)
    if manifest["apiVersion"] == f"{GATEWAY_GROUP}/v1beta1":
        manifest["apiVersion"] = f"{GATEWAY_GROUP}/v1"
    if "parentRefs" in mapping(manifest, "spec"):
        manifest["spec"] = _without(manifest["spec"], "parentRefs")
        notes.append(Note(Effect.LEFT_OUT, name, _GATEWAY, "spec.parentRefs"))
    for key in mapping(manifest, "metadata", "annotations"):
        reason = _CERTIFICATE if key.startswith(_HARMLESS) else _BEHAVIOUR
        field = field_text(("metadata", "annotations", key))
        notes.append(Note(Effect.LEFT_OUT, name, reason, field))
    if isinstance(manifest.get("metadata"), dict):
        manifest["metadata"] = _without(manifest["metadata"], "annotations")
    return replace(source, manifest=manifest)


def _without(value: dict[str, object], key: str) -> dict[str, object]:
    return {name: content for name, content in value.items() if name != key}


def _is_mesh_route(source: Source) -> bool:
    parents = items(mapping(source.manifest, "spec").get("parentRefs"))
    kinds = [mapping(parent).get("kind") for parent in parents]
    return bool(kinds) and all(kind in ("Service", "ServiceEntry") for kind in kinds)

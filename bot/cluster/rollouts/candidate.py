"""The objects of a candidate: a second revision of the routed pods beside the stable one. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.cluster.names import (
    CANDIDATE,
    CONFIG,
    SECRETS,
    TEMPLATE,
    TRACK,
    candidate_name,
    content_name,
    digest,
)
from bot.cluster.node import Node
from bot.cluster.pod_templates import CONTAINERS, containers, pod_template, references
from bot.cluster.render.demand import requested_size
from bot.cluster.render.transforms.sealed_secrets import KIND as SEALED
from bot.cluster.render.transforms.sealed_secrets import is_strict
from bot.cluster.render.variables import HOST, URL
from bot.cluster.rollouts.weights import header_rules
from bot.cluster.routing.routes import backends
from bot.cluster.routing.services import selects
from bot.model.errors import Rejected
from bot.model.manifest import Bundle, CandidateRequest, Manifest, Wave
from bot.model.rollout import Side

Object = dict[str, Any]

_CONFIGURATION = ("ConfigMap", "Secret", SEALED)
_KEPT_BY_STABLE = (*_CONFIGURATION, "Deployment", "StatefulSet", "PersistentVolumeClaim")


@dataclass(frozen=True, slots=True)
class Routed:
    """What is behind the routes of a bundle."""

    deployments: tuple[Manifest, ...]
    services: tuple[Manifest, ...]

    @property
    def service_names(self) -> tuple[str, ...]:
        return tuple(service["metadata"]["name"] for service in self.services)


def routed(bundle: Bundle) -> Routed:
    objects = _objects(bundle)
    names = backends([dict(route) for route in bundle.waves.get(Wave.ROUTE, ())])
    services = [
        manifest
        for manifest in objects
        if manifest["kind"] == "Service" and manifest["metadata"]["name"] in names
    ]
    deployments = [
        manifest
        for manifest in objects
        if manifest["kind"] == "Deployment"
        and any(selects(service["spec"].get("selector") or {}, manifest) for service in services)
    ]
    return Routed(tuple(deployments), tuple(services))


def candidate(bundle: Bundle, request: CandidateRequest, existing: Collection[tuple[str, str]]) -> Bundle:
    """The bundle that runs a candidate beside the stable revision, which it does not change.

    `existing` are kind and name of the objects in the namespace. Objects that exist stay as they are until
    the finish; permissions, network policies and new objects come with the candidate.
    """
    behind = routed(bundle)
    renames = _renames(bundle, behind.deployments)
    own = [
        _candidate(manifest, behind, request, renames)
        for manifest in _objects(bundle)
        if _belongs(manifest, behind, renames)
    ]
    waves = {
        wave: tuple(
            _with_references(manifest, renames, request.suffix)
            for manifest in objects
            if _precedes_candidate(manifest, wave, existing)
        )
        for wave, objects in bundle.waves.items()
    }
    configuration = [manifest for manifest in own if manifest["kind"] in _CONFIGURATION]
    waves[Wave.CONFIGURATION] = (*waves.get(Wave.CONFIGURATION, ()), *configuration)
    workloads = [manifest for manifest in own if manifest["kind"] not in _CONFIGURATION]
    routed_names = {("Deployment", manifest["metadata"]["name"]) for manifest in behind.deployments}
    kept = [manifest for manifest in waves.get(Wave.WORKLOADS, ()) if _key(manifest) not in routed_names]
    waves[Wave.WORKLOADS] = (*kept, *workloads)
    waves[Wave.ROUTE] = tuple(_header_route(route, behind, request) for route in bundle.waves[Wave.ROUTE])
    waves[Wave.POST_HOOKS] = ()
    return replace(
        bundle,
        waves=waves,
        checks={name: _check(job, bundle, behind, renames, request) for name, job in bundle.checks.items()},
        requests=requested_size([*_objects(bundle), *workloads]),
        digests={wave: digest([request.suffix, objects]) for wave, objects in waves.items()},
    )


def _objects(bundle: Bundle) -> list[Manifest]:
    waves = (Wave.CONFIGURATION, Wave.DATA, Wave.WORKLOADS)
    return [manifest for wave in waves for manifest in bundle.waves.get(wave, ())]


def _key(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def _renames(bundle: Bundle, deployments: Iterable[Manifest]) -> set[tuple[str, str]]:
    """The ConfigMaps and Secrets that the candidate, its migrations and its checks use."""
    jobs = [
        *bundle.waves.get(Wave.MIGRATIONS, ()),
        *bundle.waves.get(Wave.PRE_HOOKS, ()),
        *bundle.checks.values(),
    ]
    used = {
        reference
        for manifest in (*deployments, *jobs)
        if (template := pod_template(manifest)) is not None
        for reference in references(Node(template))
    }
    own = {_configuration_key(manifest) for manifest in _objects(bundle) if _is_renamed(manifest)}
    return used & (own | {("ConfigMap", CONFIG), ("Secret", SECRETS)})


def _belongs(manifest: Manifest, behind: Routed, renames: Collection[tuple[str, str]]) -> bool:
    """Whether the candidate has an object of its own in place of this one."""
    names = {deployment["metadata"]["name"] for deployment in behind.deployments}
    match manifest["kind"]:
        case "HorizontalPodAutoscaler":
            target = manifest["spec"].get("scaleTargetRef") or {}
            return target.get("kind") == "Deployment" and target.get("name") in names
        case "PodDisruptionBudget":
            labels = (manifest["spec"].get("selector") or {}).get("matchLabels") or {}
            return any(selects(labels, deployment) for deployment in behind.deployments)
        case "Service":
            return manifest in behind.services
        case "Deployment":
            return manifest in behind.deployments
    return _is_renamed(manifest) and _configuration_key(manifest) in renames


def _is_renamed(manifest: Manifest) -> bool:
    """Whether a candidate has a copy of it under another name, which a strict SealedSecret cannot have."""
    return manifest["kind"] in _CONFIGURATION and not (manifest["kind"] == SEALED and is_strict(manifest))


def _configuration_key(manifest: Manifest) -> tuple[str, str]:
    """Kind and name by which pods refer to it."""
    return "Secret" if manifest["kind"] == SEALED else manifest["kind"], manifest["metadata"]["name"]


def require_unchanged_seals(bundle: Bundle, live: Mapping[str, Manifest]) -> None:
    """Raises Rejected for a strict SealedSecret that changes: both sides would get the new content."""
    for manifest in bundle.waves.get(Wave.CONFIGURATION, ()):
        name = manifest["metadata"]["name"]
        if manifest["kind"] == SEALED and is_strict(manifest) and name in live:
            before, after = live[name].get("spec") or {}, manifest.get("spec") or {}
            if before.get("encryptedData") != after.get("encryptedData"):
                raise Rejected(
                    f"The SealedSecret {name} changes, and it is sealed for its name, so the candidate "
                    "cannot have a copy of it. Seal it with the scope namespace-wide, or under a new name."
                )


def _precedes_candidate(manifest: Manifest, wave: Wave, existing: Collection[tuple[str, str]]) -> bool:
    """Whether an object of the release is applied under its own name before the candidate starts."""
    if wave in (Wave.CONFIGURATION, Wave.DATA, Wave.WORKLOADS):
        if _key(manifest) not in existing:
            return True
        return wave is Wave.CONFIGURATION and manifest["kind"] not in _KEPT_BY_STABLE
    return wave in (Wave.PRE_HOOKS, Wave.MIGRATIONS, Wave.SEED)


def _candidate(
    manifest: Manifest, behind: Routed, request: CandidateRequest, renames: Collection[tuple[str, str]]
) -> Object:
    """The candidate's own object in place of one of the release."""
    copy = _with_references(manifest, renames, request.suffix)
    name = manifest["metadata"]["name"]
    copy["metadata"]["name"] = candidate_name(name, request.suffix)
    copy["metadata"].setdefault("labels", {})[TRACK] = Side.CANDIDATE.value
    match manifest["kind"]:
        case "Deployment":
            _mark_pods(copy, request)
            copy["spec"]["replicas"] = max(request.replicas.get(name, 1), copy["spec"].get("replicas", 1))
        case "Service":
            copy["spec"]["selector"] |= _labels(request)
            _release_addresses(copy["spec"])
        case "PodDisruptionBudget":
            copy["spec"]["selector"]["matchLabels"] |= _labels(request)
        case "HorizontalPodAutoscaler":
            target = copy["spec"]["scaleTargetRef"]
            replicas = request.replicas.get(target["name"], 1)
            copy["spec"]["minReplicas"] = max(replicas, copy["spec"].get("minReplicas", 1))
            copy["spec"]["maxReplicas"] = max(replicas, copy["spec"].get("maxReplicas", 1))
            target["name"] = candidate_name(target["name"], request.suffix)
    return copy


def _labels(request: CandidateRequest) -> dict[str, str]:
    """Labels of this candidate's pods, which an earlier candidate's pods do not have."""
    return {TRACK: Side.CANDIDATE.value, CANDIDATE: request.suffix}


def _mark_pods(deployment: Object, request: CandidateRequest) -> None:
    """The pods get the candidate's labels, by which its Deployment selects them."""
    template = deployment["spec"]["template"]
    template["metadata"]["labels"] |= _labels(request)
    deployment["spec"]["selector"].setdefault("matchLabels", {}).update(_labels(request))
    annotations = template["metadata"]["annotations"]
    annotations[TEMPLATE] = digest([annotations[TEMPLATE], request.suffix])[:16]


def _release_addresses(spec: Object) -> None:
    """Two Services cannot have the same addresses and node ports."""
    for field in ("clusterIP", "clusterIPs", "healthCheckNodePort", "loadBalancerIP"):
        if spec.get(field) != "None":
            spec.pop(field, None)
    for port in spec.get("ports") or []:
        port.pop("nodePort", None)


def _header_route(route: Manifest, behind: Routed, request: CandidateRequest) -> Object:
    copy = _copy(route)
    copy["metadata"]["name"] = candidate_name(route["metadata"]["name"], request.suffix)
    copy["metadata"].setdefault("labels", {})[TRACK] = Side.CANDIDATE.value
    copy["spec"]["rules"] = header_rules(
        copy["spec"]["rules"], request.suffix, behind.service_names, request.header
    )
    return copy


def _check(
    job: Manifest,
    bundle: Bundle,
    behind: Routed,
    renames: Collection[tuple[str, str]],
    request: CandidateRequest,
) -> Object:
    """The Job with the address of the candidate's Service; each step runs it again."""
    copy = _with_references(job, renames, request.suffix)
    copy["metadata"]["name"] = content_name(job["metadata"]["name"], [request.suffix, request.step])
    copy["metadata"].setdefault("labels", {})[TRACK] = Side.CANDIDATE.value
    address = _address(bundle, behind, request)
    template = copy["spec"]["template"]
    if address is not None:
        host, port = address
        own = [{"name": URL, "value": f"http://{host}:{port}"}, {"name": HOST, "value": f"{host}:{port}"}]
        for container in containers(template):  # in place of the stage's own address
            others = [item for item in container.get("env") or [] if item.get("name") not in (URL, HOST)]
            container["env"] = [*others, *own]
    annotations = template["metadata"].setdefault("annotations", {})
    annotations[TEMPLATE] = digest([annotations.get(TEMPLATE), request.suffix, request.step])[:16]
    return copy


def _address(bundle: Bundle, behind: Routed, request: CandidateRequest) -> tuple[str, int] | None:
    """Service and port of the candidate behind the first backend of the first route."""
    for route in bundle.waves.get(Wave.ROUTE, ()):
        for rule in route["spec"]["rules"]:
            for ref in rule.get("backendRefs") or []:
                if ref["name"] in behind.service_names:
                    return candidate_name(ref["name"], request.suffix), int(ref["port"])
    return None


def _with_references(manifest: Manifest, renames: Collection[tuple[str, str]], suffix: str) -> Object:
    """A copy whose pods use the candidate's ConfigMaps and Secrets."""
    copy = _copy(manifest)
    template = pod_template(copy)
    if template is None:
        return copy
    for fields, kind, key in _reference_fields(template["spec"]):
        if (kind, fields.get(key)) in renames:
            fields[key] = candidate_name(fields[key], suffix)
    return copy


def _reference_fields(spec: Object) -> Iterator[tuple[Object, str, str]]:
    """Each object with the name of a ConfigMap or Secret, with the kind and the field of the name."""
    for group in CONTAINERS:
        for container in spec.get(group) or []:
            for source in container.get("envFrom") or []:
                yield source.get("configMapRef") or {}, "ConfigMap", "name"
                yield source.get("secretRef") or {}, "Secret", "name"
            for variable in container.get("env") or []:
                value = variable.get("valueFrom") or {}
                yield value.get("configMapKeyRef") or {}, "ConfigMap", "name"
                yield value.get("secretKeyRef") or {}, "Secret", "name"
    for volume in spec.get("volumes") or []:
        yield volume.get("configMap") or {}, "ConfigMap", "name"
        yield volume.get("secret") or {}, "Secret", "secretName"
        for source in (volume.get("projected") or {}).get("sources") or []:
            yield source.get("configMap") or {}, "ConfigMap", "name"
            yield source.get("secret") or {}, "Secret", "name"


def _copy(manifest: Manifest) -> Object:
    copy: Object = json.loads(json.dumps(manifest))
    return copy

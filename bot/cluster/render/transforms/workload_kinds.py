"""Workloads of other kinds that a Deployment runs in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.cluster.guard.custom_kinds import allowed_kind
from bot.cluster.manifests import Source
from bot.cluster.pod_templates import CONTAINERS
from bot.cluster.render.transforms.base import Context, Object, items, mapping, name_of, subject, text
from bot.model.environment import EnvironmentKind
from bot.model.notes import Effect, Note

_SHARED = (
    "replicas",
    "selector",
    "template",
    "minReadySeconds",
    "paused",
    "progressDeadlineSeconds",
    "revisionHistoryLimit",
)
"""Fields with the same meaning in a Deployment."""
_KINDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("v1", "ReplicationController"): (),
    ("apps/v1", "ReplicaSet"): (),
    ("argoproj.io/v1alpha1", "Rollout"): ("analysis", "restartAt", "rollbackWindow", "strategy"),
    ("apps.openshift.io/v1", "DeploymentConfig"): ("strategy", "test", "triggers"),
}
"""The kinds, with fields that only control how a new version is rolled out."""
_OF_DAEMON_SET = ("updateStrategy",)
_NODE_FIELDS = ("hostNetwork", "hostPID", "hostIPC")
_ONE_POD = "an environment runs one pod in place of one on each node"
_AGENT = "it is an agent of nodes, which an environment must not reach"
_REASON = "a Deployment runs the same pods, and Greenroom rolls them out"


def replace_workloads(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Replaces ReplicationControllers, ReplicaSets, Rollouts and DeploymentConfigs with Deployments."""
    notes, replaced = [], set[tuple[str, str]]()
    taken = {name_of(source) for source in sources if source.manifest["kind"] == "Deployment"}
    for source in sources:
        if not _is_replaceable(source, context) or name_of(source) in taken:
            continue
        manifest, spec = source.manifest, mapping(source.manifest, "spec")
        notes.append(Note(Effect.REWRITTEN, subject(source), _REASON, "kind", "Deployment"))
        replaced.add((manifest["kind"], name_of(source)))
        manifest.pop("status", None)
        manifest |= {"apiVersion": "apps/v1", "kind": "Deployment", "spec": _deployment_spec(spec)}
    for source in sources:
        if source.manifest["kind"] == "HorizontalPodAutoscaler":
            target = mapping(source.manifest, "spec", "scaleTargetRef")
            if (text(target.get("kind")), text(target.get("name"))) in replaced:
                target |= {"apiVersion": "apps/v1", "kind": "Deployment"}
    return list(sources), notes


def replace_daemon_sets(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Replaces DaemonSets of previews and demos with Deployments of one pod; leaves out agents of nodes."""
    if context.request.environment.kind is EnvironmentKind.STAGE:
        # One pod in place of many is not what production needs: the guard refuses it.
        return list(sources), []
    kept, notes = [], list[Note]()
    taken = {name_of(source) for source in sources if source.manifest["kind"] == "Deployment"}
    for source in sources:
        manifest, spec = source.manifest, mapping(source.manifest, "spec")
        if (manifest["apiVersion"], manifest["kind"]) == ("apps/v1", "DaemonSet"):
            if _needs_node(mapping(spec, "template", "spec")):
                notes.append(Note(Effect.LEFT_OUT, subject(source), _AGENT))
                continue
            if name_of(source) not in taken and spec.keys() <= {*_SHARED, *_OF_DAEMON_SET}:
                notes.append(Note(Effect.REWRITTEN, subject(source), _ONE_POD, "kind", "Deployment"))
                manifest.pop("status", None)
                manifest |= {"kind": "Deployment", "spec": {**_deployment_spec(spec), "replicas": 1}}
        kept.append(source)
    return kept, notes


def _needs_node(pod: Object) -> bool:
    """Whether the pod reads or changes the node itself, as agents for logs, metrics and networks do."""
    containers = [mapping(container) for group in CONTAINERS for container in items(pod.get(group))]
    return (
        any(pod.get(field) is True for field in _NODE_FIELDS)
        or any("hostPath" in mapping(volume) for volume in items(pod.get("volumes")))
        or any(mapping(container, "securityContext").get("privileged") is True for container in containers)
    )


def _is_replaceable(source: Source, context: Context) -> bool:
    """Whether the object has only fields that a Deployment has; the others stay and are refused."""
    manifest, spec = source.manifest, mapping(source.manifest, "spec")
    dropped = _KINDS.get((manifest["apiVersion"], manifest["kind"]))
    return (
        dropped is not None
        and allowed_kind(manifest, context.policy) is None
        and bool(mapping(spec, "template"))
        and spec.keys() <= {*_SHARED, *dropped}
    )


def _deployment_spec(spec: Object) -> Object:
    kept = {key: value for key, value in spec.items() if key in _SHARED}
    labels = mapping(spec, "template", "metadata", "labels")
    selector = mapping(spec, "selector") or labels
    if not {"matchLabels", "matchExpressions"} & selector.keys():
        selector = {"matchLabels": dict(selector)}
    return {**kept, "selector": selector}

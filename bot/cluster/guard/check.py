"""The guard: all objects of a commit, before anything is written."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from bot.cluster.guard.claims import claim_findings
from bot.cluster.guard.network import policy_findings, service_findings
from bot.cluster.guard.node import Finding, InvalidShape, Node
from bot.cluster.guard.objects import kind_finding, metadata_findings, reserved_findings
from bot.cluster.guard.pods import pod_findings
from bot.cluster.guard.roles import binding_findings, role_findings
from bot.cluster.policy import ClusterPolicy
from bot.cluster.render.manifests import Source
from bot.cluster.render.pod_templates import POD_TEMPLATES, references
from bot.model.errors import ManifestRefused

_TOLD = 10
"""Refusals in one message; more than that is the same mistake again."""


@dataclass(frozen=True, slots=True)
class _World:
    """What the checks of one object have to know of the others."""

    namespace: str
    policy: ClusterPolicy
    secrets: Collection[str]
    roles: Collection[str]


def check(sources: Sequence[Source], namespace: str, policy: ClusterPolicy) -> None:
    """Raises ManifestRefused, one line for each of the first refusals, unless all may be applied."""
    world = _World(namespace, policy, _names(sources, "Secret"), _names(sources, "Role"))
    refused = itertools.chain(
        (_told(source, finding) for source in sources for finding in _findings(source, world)),
        _twins(sources),
    )
    lines = list(itertools.islice(refused, _TOLD))
    if lines:
        raise ManifestRefused("\n".join(lines))


def _findings(source: Source, world: _World) -> Iterator[Finding]:
    manifest = Node(source.manifest)
    try:
        refused = kind_finding(manifest)
        if refused is not None:
            yield refused
            return
        yield from metadata_findings(manifest, world.namespace)
        special = _SPECIAL.get(source.manifest["kind"])
        if special is not None:
            yield from special(manifest, world)
        yield from _template_findings(source.manifest["kind"], manifest, world)
    except InvalidShape as error:
        yield error.finding


def _template_findings(kind: str, manifest: Node, world: _World) -> Iterator[Finding]:
    path = POD_TEMPLATES.get(kind)
    if path is None:
        return
    template = manifest.at(*path)
    if path:
        yield from reserved_findings(template["metadata"])
        namespace = template.at("metadata", "namespace")
        if namespace.text() not in ("", world.namespace):
            yield namespace.finding("the environment has its own namespace; leave this field out")
    if not any(True for _ in template.at("spec", "containers").items()):
        yield template.at("spec", "containers").finding("a pod needs at least one container")
    for _ in references(template):
        # Reading it is the check: what it has, the transform will meet.
        pass
    yield from pod_findings(template["metadata"], template["spec"], world.policy.restricted)


def _secret(manifest: Node, _: _World) -> Iterator[Finding]:
    if manifest["type"].value == "kubernetes.io/service-account-token":
        yield manifest["type"].finding("long-lived tokens of accounts are not allowed")


def _stateful_set(manifest: Node, _: _World) -> Iterator[Finding]:
    for claim in manifest.at("spec", "volumeClaimTemplates").items():
        yield from claim_findings(claim["spec"])


_SPECIAL: dict[str, Callable[[Node, _World], Iterator[Finding]]] = {
    "NetworkPolicy": lambda manifest, _: policy_findings(manifest["spec"]),
    "PersistentVolumeClaim": lambda manifest, _: claim_findings(manifest["spec"]),
    "Role": lambda manifest, world: role_findings(manifest, world.secrets),
    "RoleBinding": lambda manifest, world: binding_findings(manifest, world.namespace, world.roles),
    "Secret": _secret,
    "Service": lambda manifest, world: service_findings(manifest["spec"], world.policy.node_ports),
    "StatefulSet": _stateful_set,
}


def _names(sources: Sequence[Source], kind: str) -> frozenset[str]:
    return frozenset(_name(source) for source in sources if source.manifest["kind"] == kind)


def _name(source: Source) -> str:
    metadata = source.manifest.get("metadata")
    return str(metadata.get("name")) if isinstance(metadata, dict) else ""


def _twins(sources: Sequence[Source]) -> Iterator[str]:
    first: dict[tuple[str, str], Source] = {}
    for source in sources:
        key = (source.manifest["kind"], _name(source))
        earlier = first.setdefault(key, source)
        if earlier is not source:
            reason = f"the same object stands in {earlier.where()} already"
            yield _told(source, Finding(("metadata", "name"), reason))


def _told(source: Source, finding: Finding) -> str:
    field = ""
    for part in finding.path:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else part
    subject = f"{source.manifest['kind']}/{_name(source) or '(no name)'}"
    return f"{source.where(finding.path)}, {subject}, {field or 'the object'}: {finding.reason}."

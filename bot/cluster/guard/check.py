"""The guard: checks all objects of a commit before anything is written."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from bot.cluster.guard.network import policy_findings, service_findings
from bot.cluster.guard.objects import kind_finding, metadata_findings, reserved_findings
from bot.cluster.guard.pods import claim_findings, pod_findings
from bot.cluster.guard.references import reference_findings
from bot.cluster.guard.roles import binding_findings, role_findings
from bot.cluster.manifests import Source
from bot.cluster.node import Finding, InvalidShape, Node
from bot.cluster.pod_templates import POD_TEMPLATES, references
from bot.cluster.policy import ClusterPolicy
from bot.model.errors import ManifestRefused

_MAX_REPORTED = 10
"""Refusals in one message; further ones usually repeat the same mistake."""


@dataclass(frozen=True, slots=True)
class _Context:
    """Values that the checks of one object need from the others."""

    namespace: str
    policy: ClusterPolicy
    secrets: Collection[str]
    roles: Collection[str]


def check(sources: Sequence[Source], namespace: str, policy: ClusterPolicy) -> None:
    """Raises ManifestRefused with one line for each of the first refusals, unless all are allowed."""
    context = _Context(namespace, policy, _names(sources, "Secret"), _names(sources, "Role"))
    refused = itertools.chain(
        (_message(source, finding) for source in sources for finding in _findings(source, context)),
        _duplicates(sources),
    )
    lines = list(itertools.islice(refused, _MAX_REPORTED))
    if lines:
        raise ManifestRefused("\n".join(lines))


def _findings(source: Source, context: _Context) -> Iterator[Finding]:
    manifest = Node(source.manifest)
    try:
        refused = kind_finding(manifest)
        if refused is not None:
            yield refused
            return
        yield from metadata_findings(manifest, context.namespace)
        yield from reference_findings(manifest)
        check_kind = _CHECKS_BY_KIND.get(source.manifest["kind"])
        if check_kind is not None:
            yield from check_kind(manifest, context)
        yield from _template_findings(source.manifest["kind"], manifest, context)
    except InvalidShape as error:
        yield error.finding


def _template_findings(kind: str, manifest: Node, context: _Context) -> Iterator[Finding]:
    path = POD_TEMPLATES.get(kind)
    if path is None:
        return
    template = manifest.at(*path)
    if path:
        yield from reserved_findings(template["metadata"])
        namespace = template.at("metadata", "namespace")
        if namespace.text() not in ("", context.namespace):
            yield namespace.finding("objects are created in the environment's namespace; remove this field")
    if not any(True for _ in template.at("spec", "containers").items()):
        yield template.at("spec", "containers").finding("a pod requires at least one container")
    for _ in references(template):
        # The iteration raises InvalidShape for values that the transforms cannot read.
        pass
    yield from pod_findings(template["metadata"], template["spec"], context.policy.restricted)


def _secret(manifest: Node, _: _Context) -> Iterator[Finding]:
    if manifest["type"].value == "kubernetes.io/service-account-token":
        yield manifest["type"].finding(
            "long-lived tokens of ServiceAccounts are not allowed; remove this Secret"
        )


def _stateful_set(manifest: Node, _: _Context) -> Iterator[Finding]:
    for claim in manifest.at("spec", "volumeClaimTemplates").items():
        yield from claim_findings(claim["spec"])


_CHECKS_BY_KIND: dict[str, Callable[[Node, _Context], Iterator[Finding]]] = {
    "NetworkPolicy": lambda manifest, _: policy_findings(manifest["spec"]),
    "PersistentVolumeClaim": lambda manifest, _: claim_findings(manifest["spec"]),
    "Role": lambda manifest, context: role_findings(manifest, context.secrets),
    "RoleBinding": lambda manifest, context: binding_findings(manifest, context.namespace, context.roles),
    "Secret": _secret,
    "Service": lambda manifest, context: service_findings(manifest["spec"], context.policy.node_ports),
    "StatefulSet": _stateful_set,
}


def _names(sources: Sequence[Source], kind: str) -> frozenset[str]:
    return frozenset(_name(source) for source in sources if source.manifest["kind"] == kind)


def _name(source: Source) -> str:
    metadata = source.manifest.get("metadata")
    return str(metadata.get("name")) if isinstance(metadata, dict) else ""


def _duplicates(sources: Sequence[Source]) -> Iterator[str]:
    first: dict[tuple[str, str], Source] = {}
    for source in sources:
        key = (source.manifest["kind"], _name(source))
        earlier = first.setdefault(key, source)
        if earlier is not source:
            reason = f"the object is already defined in {earlier.where()}; remove one of them"
            yield _message(source, Finding(("metadata", "name"), reason))


def _message(source: Source, finding: Finding) -> str:
    field = ""
    for part in finding.path:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else part
    subject = f"{source.manifest['kind']}/{_name(source) or '(unnamed)'}"
    return f"{source.where(finding.path)}, {subject}, {field or 'the object'}: {finding.reason}."

"""Objects whose controllers make Secrets: ExternalSecrets, SealedSecrets and SecretProviderClasses."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bot.cluster.guard.decisions import Scope
from bot.cluster.guard.runtime_secrets import csi_class
from bot.cluster.node import Finding, Node
from bot.cluster.policy import SECRET_PROVIDER_CLASS

_GROUP = "external-secrets.io"
_TOKENS = ("kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token")
_STORES = (
    "the operator defines stores and what is read from them: use a ClusterSecretStore that "
    "`GREENROOM_SECRET_STORES` grants to this repository in an ExternalSecret, or as `eso:STORE/KEY`"
)
_KIND = "an ExternalSecret makes Secrets only; remove this field"
_PLACE = (
    "only the data of a Secret can come from a template here; write labels and annotations in "
    "`spec.target.template.metadata`"
)
"""Other controllers act on labels and annotations, which the guard can judge only where they are written."""
_OWNER = (
    "the Secret must belong to the ExternalSecret, so that it ends with it and its values are hidden in "
    "logs; use `creationPolicy: Owner`"
)
_OTHER = "only stores can be the source; generators act with rights of their own"


def operator_findings(manifest: Node, stores: Collection[str], scope: Scope) -> Iterator[Finding]:
    """What such an object must not do. Objects of other kinds have none."""
    kind, group = manifest["kind"].value, str(manifest["apiVersion"].value).rpartition("/")[0]
    if group == _GROUP or group.endswith(f".{_GROUP}"):
        if kind != "ExternalSecret":
            yield manifest["kind"].finding(_STORES)
            return
        yield from _sources(manifest["spec"], stores)
        yield from _target(manifest.at("spec", "target"))
    elif kind == "SealedSecret":
        yield from _type(manifest.at("spec", "template", "type"))
    elif kind == SECRET_PROVIDER_CLASS.kind:
        if (refused := csi_class(scope)) is not None:
            yield manifest["kind"].finding(refused.reason)
        for secret in manifest.at("spec", "secretObjects").items():
            yield from _type(secret["type"])


def _target(target: Node) -> Iterator[Finding]:
    if target["manifest"]:
        yield target["manifest"].finding(_KIND)
    yield from _type(target.at("template", "type"))
    for template in target.at("template", "templateFrom").items():
        if template["target"].text() not in ("", "Data"):
            yield template["target"].finding(_PLACE)
    policy = target["creationPolicy"]
    if policy.value not in (None, "Owner"):
        yield policy.finding(_OWNER)


def _sources(spec: Node, stores: Collection[str]) -> Iterator[Finding]:
    if spec["secretStoreRef"]:
        yield from _store(spec["secretStoreRef"], stores)
    for field in ("data", "dataFrom"):
        for entry in spec[field].items():
            source = entry["sourceRef"]
            if source["generatorRef"]:
                yield source["generatorRef"].finding(_OTHER)
            if source["storeRef"]:
                yield from _store(source["storeRef"], stores)


def _store(reference: Node, stores: Collection[str]) -> Iterator[Finding]:
    if reference["kind"].value != "ClusterSecretStore":
        yield reference.finding(_STORES)
    elif reference["name"].text() not in stores:
        yield reference["name"].finding(
            "`GREENROOM_SECRET_STORES` does not grant this store to the repository; ask the operator"
        )


def _type(node: Node) -> Iterator[Finding]:
    if node.value in _TOKENS:
        yield node.finding("Secrets of this type are credentials for the cluster; use another type")

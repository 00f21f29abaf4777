"""Values that the External Secrets Operator reads: grants, and the object that asks for them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.cluster.names import EXTERNAL, RESOURCE, content_name
from bot.cluster.policy import EXTERNAL_SECRET, ClusterPolicy
from bot.model.errors import Rejected
from bot.model.manifest import RenderRequest
from bot.model.repository import Repository
from bot.model.secret import ExternalReference

CLUSTER_STORE = "ClusterSecretStore"
_REFRESH = "1m"
_PATH = re.compile(r"([a-z0-9][a-z0-9.-]{0,252})/([^\s#]{1,300})(?:#([^\s#]{1,200}))?")


class GrantedStores:
    """`eso:STORE/KEY[#PROPERTY]` names a value in a ClusterSecretStore that the operator grants."""

    def __init__(self, policy: ClusterPolicy) -> None:
        self._policy = policy

    def resolve(self, path: str, repository: Repository) -> ExternalReference:
        match = _PATH.fullmatch(path)
        if match is None:
            raise Rejected("the reference after `eso:` must be STORE/KEY or STORE/KEY#PROPERTY")
        store, key, property = match.groups()
        if store not in self._policy.stores_of(repository):
            name = repository.full_name
            raise Rejected(f"GREENROOM_SECRET_STORES does not grant the ClusterSecretStore {store} to {name}")
        return ExternalReference(store, key, property or "")


def external_name(references: Mapping[str, ExternalReference]) -> str:
    """Name of the ExternalSecret and of its Secret: changed references do not change what runs."""
    content = {name: [ref.store, ref.key, ref.property] for name, ref in references.items()}
    return content_name(EXTERNAL, content)


def external_secrets(request: RenderRequest) -> list[dict[str, Any]]:
    """The ExternalSecret for the request's references, if it has any."""
    if not request.external:
        return []
    name = external_name(request.external)
    return [
        {
            "apiVersion": EXTERNAL_SECRET.api_version,
            "kind": EXTERNAL_SECRET.kind,
            "metadata": {"name": name, "annotations": {RESOURCE: EXTERNAL_SECRET.plural}},
            "spec": {
                "refreshInterval": _REFRESH,
                "target": {"name": name, "creationPolicy": "Owner"},
                "data": [_entry(variable, ref) for variable, ref in sorted(request.external.items())],
            },
        }
    ]


def _entry(variable: str, reference: ExternalReference) -> dict[str, Any]:
    remote = {"key": reference.key, **({"property": reference.property} if reference.property else {})}
    store = {"kind": CLUSTER_STORE, "name": reference.store}
    return {"secretKey": variable, "remoteRef": remote, "sourceRef": {"storeRef": store}}

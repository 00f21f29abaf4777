"""`greenroom rights`: the rights in the cluster that the operator's settings require."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from bot.cli.common import Json, load_manifest_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.cluster.rights import Right

_GROUP = "rbac.authorization.k8s.io"
_STORES_ROLE = "greenroom-secret-stores"
_HEADER = """\
# The bot's role in the namespaces of environments, with the kinds of GREENROOM_ALLOWED_KINDS and with
# ExternalSecrets for GREENROOM_SECRET_STORES, its view of these stores, and its access to namespaces of
# GREENROOM_SECRETS_NAMESPACES and GREENROOM_PULL_SECRETS. Apply it after deploy/base:
#     greenroom rights | kubectl apply -f -
# deploy/base/policy.yaml needs no change: it confines writes of all kinds to the namespaces of environments.
"""


def rights(as_json: Json = False) -> None:
    """Print the roles and bindings that the settings require, for `kubectl apply`."""
    from bot.cluster.names import ENVIRONMENT_ROLE
    from bot.cluster.policy import ClusterPolicy
    from bot.cluster.rights import ENVIRONMENT_RIGHTS, custom_rights, secret_store_rights
    from bot.config.yaml_text import yaml_text

    settings = load_manifest_settings()
    policy = ClusterPolicy.of(settings)
    role = _role(ENVIRONMENT_ROLE, ENVIRONMENT_RIGHTS | custom_rights(policy.allowed_kinds))
    grants = (*settings.pull_secrets.values(), *settings.terraform_credentials.values())
    copied = {name.partition("/")[0] for names in grants for name in names}
    namespaces = sorted({*settings.secrets_namespaces, *copied})
    documents = [role, *map(_binding, namespaces)]
    if policy.all_stores:
        documents += [
            _role(_STORES_ROLE, secret_store_rights(policy.all_stores)),
            _bound("ClusterRoleBinding", _STORES_ROLE, {"name": _STORES_ROLE}),
        ]
    if as_json:
        print_json({"apiVersion": "v1", "kind": "List", "items": documents})
        return
    typer.echo(_HEADER + "".join(f"---\n{yaml_text(document)}" for document in documents), nl=False)


def _rules(rights: Iterable[Right]) -> list[dict[str, list[str]]]:
    """One rule for each group and set of verbs."""
    verbs: dict[tuple[str, str], set[str]] = {}
    named: dict[tuple[str, str], set[str]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource), set()).add(right.verb)
        if right.name:
            named.setdefault((right.group, right.resource), set()).add(right.name)
    resources: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, resource), allowed in sorted(verbs.items()):
        names = tuple(sorted(named.get((group, resource), ())))
        resources.setdefault((group, tuple(sorted(allowed)), names), []).append(resource)
    return [
        {
            "apiGroups": [group],
            "resources": plurals,
            **({"resourceNames": list(names)} if names else {}),
            "verbs": list(allowed),
        }
        for (group, allowed, names), plurals in resources.items()
    ]


def _role(name: str, rights: Iterable[Right]) -> dict[str, Any]:
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": _rules(rights),
    }


def _binding(namespace: str) -> dict[str, Any]:
    return _bound("RoleBinding", "greenroom-secrets", {"name": "greenroom", "namespace": namespace})


def _bound(kind: str, role: str, metadata: dict[str, str]) -> dict[str, Any]:
    """A binding of a ClusterRole to the bot's account."""
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": kind,
        "metadata": metadata,
        "subjects": [{"kind": "ServiceAccount", "name": "greenroom", "namespace": "greenroom"}],
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": role},
    }

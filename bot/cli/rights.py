"""`greenroom rights`: the rights in the cluster that the operator's settings require."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from bot.cli.common import Json, load_manifest_settings, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bot.cluster.rights import Right

_HEADER = """\
# The bot's role in the namespaces of environments, with the kinds of GREENROOM_ALLOWED_KINDS and with
# ExternalSecrets for GREENROOM_SECRET_STORES, and its access to namespaces of GREENROOM_SECRETS_NAMESPACES
# and GREENROOM_PULL_SECRETS. Apply it after deploy/base:
#     greenroom rights | kubectl apply -f -
# deploy/base/policy.yaml needs no change: it confines writes of all kinds to the namespaces of environments.
"""


def rights(as_json: Json = False) -> None:
    """Print the roles and bindings that the settings require, for `kubectl apply`."""
    from bot.cluster.names import ENVIRONMENT_ROLE
    from bot.cluster.policy import ClusterPolicy
    from bot.cluster.rights import ENVIRONMENT_RIGHTS, custom_rights
    from bot.config.yaml_text import yaml_text

    settings = load_manifest_settings()
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": ENVIRONMENT_ROLE},
        "rules": _rules(ENVIRONMENT_RIGHTS | custom_rights(ClusterPolicy.of(settings).allowed_kinds)),
    }
    grants = (*settings.pull_secrets.values(), *settings.terraform_credentials.values())
    copied = {name.partition("/")[0] for names in grants for name in names}
    namespaces = sorted({*settings.secrets_namespaces, *copied})
    documents = [role, *map(_binding, namespaces)]
    if as_json:
        print_json({"apiVersion": "v1", "kind": "List", "items": documents})
        return
    typer.echo(_HEADER + "".join(f"---\n{yaml_text(document)}" for document in documents), nl=False)


def _rules(rights: Iterable[Right]) -> list[dict[str, list[str]]]:
    """One rule for each group and set of verbs."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource), set()).add(right.verb)
    resources: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, resource), allowed in sorted(verbs.items()):
        resources.setdefault((group, tuple(sorted(allowed))), []).append(resource)
    return [
        {"apiGroups": [group], "resources": names, "verbs": list(allowed)}
        for (group, allowed), names in resources.items()
    ]


def _binding(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "greenroom", "namespace": namespace},
        "subjects": [{"kind": "ServiceAccount", "name": "greenroom", "namespace": "greenroom"}],
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "greenroom-secrets",
        },
    }

"""What a fork does not get: accounts of the cluster, and the rights and tokens that come with them. Pure.

An account may be known to a cloud by its name or its annotations, so not even one that the manifests make
is safe to give away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.cluster.names import object_name
from bot.cluster.render.pod_templates import pod_template
from bot.model.errors import ManifestRefused

Object = dict[str, Any]

_LEFT_OUT = frozenset(("ServiceAccount", "Role", "RoleBinding"))


def account_names(objects: Sequence[Object]) -> tuple[str, ...]:
    """What is left out, by name."""
    return tuple(object_name(each) for each in objects if each["kind"] in _LEFT_OUT)


def without_accounts(objects: Sequence[Object]) -> list[Object]:
    """Changes the pods of the given objects; raises ManifestRefused for one that asks for a token."""
    kept = [each for each in objects if each["kind"] not in _LEFT_OUT]
    for each in kept:
        template = pod_template(each)
        if template is not None:
            _anonymous(each, template["spec"])
    return kept


def _anonymous(each: Object, spec: Object) -> None:
    for volume in spec.get("volumes") or []:
        sources = (volume.get("projected") or {}).get("sources") or []
        if any(source.get("serviceAccountToken") for source in sources):
            raise ManifestRefused(
                f"{object_name(each)}: volume {volume.get('name')} asks for a token of a service account, "
                "and a fork gets none."
            )
    for field in ("serviceAccountName", "serviceAccount"):
        spec.pop(field, None)
    spec["automountServiceAccountToken"] = False

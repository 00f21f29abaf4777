"""Credentials for registries: the operator's pull secrets for all pods and accounts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.cluster.names import object_name, pull_secret_name
from bot.cluster.pod_templates import POD_TEMPLATES, pod_template
from bot.cluster.render.transforms.base import Context, Object
from bot.model.notes import Effect, Note

_FIELD = "imagePullSecrets"
_REPLACED = "nothing creates the pull secrets that it names; the operator's take their place"
_WITHHELD = "a fork does not get the operator's credentials for private registries"


def add_pull_secrets(objects: Sequence[Object], context: Context) -> tuple[list[Object], list[Note]]:
    """Adds the operator's pull secrets to pods and accounts, in place of those that nothing creates."""
    granted = context.policy.pull_secrets_of(context.request.repository)
    if not granted:
        return list(objects), _withheld(objects, context)
    own = [pull_secret_name(secret) for secret in granted]
    secrets = {manifest["metadata"]["name"] for manifest in objects if manifest["kind"] == "Secret"}
    notes = []
    for manifest in objects:
        if manifest["kind"] == "ServiceAccount":
            holder, field = manifest, _FIELD
        elif (template := pod_template(manifest)) is not None:
            holder, field = template["spec"], ".".join((*POD_TEMPLATES[manifest["kind"]], "spec", _FIELD))
        else:
            continue
        if _add(holder, own, secrets):
            notes.append(Note(Effect.REWRITTEN, object_name(manifest), _REPLACED, field))
    return list(objects), notes


def _withheld(objects: Sequence[Object], context: Context) -> list[Note]:
    """Private images of a fork's pods cannot be pulled: the comment has the reason before it happens."""
    if not context.policy.withholds_pull_secrets(context.request.repository):
        return []
    return [
        Note(Effect.LEFT_OUT, object_name(manifest), _WITHHELD, _FIELD, in_comment=True)
        for manifest in objects
        if pod_template(manifest) is not None
    ]


def _add(holder: Object, own: Sequence[str], secrets: Collection[str]) -> bool:
    """Whether a reference to an absent Secret was replaced."""
    named = [str(reference.get("name") or "") for reference in holder.get(_FIELD) or []]
    kept = [name for name in named if name in secrets]
    holder[_FIELD] = [{"name": name} for name in dict.fromkeys([*kept, *own])]
    return any(name not in (*kept, *own) for name in named)

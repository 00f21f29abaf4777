"""SealedSecrets: those that are sealed for a namespace can be opened nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.guard.check import message
from bot.cluster.manifests import Source
from bot.cluster.node import Finding, shortened
from bot.cluster.render.transforms.base import Context, mapping, subject, text
from bot.model.errors import ManifestsRefused
from bot.model.notes import Effect, Note

KIND = "SealedSecret"
_MOVED = "it is sealed cluster-wide, so it opens in any namespace"
_CLUSTER_WIDE = "sealedsecrets.bitnami.com/cluster-wide"
_NAMESPACE_WIDE = "sealedsecrets.bitnami.com/namespace-wide"


def place_sealed_secrets(sources: Sequence[Source], context: Context) -> tuple[list[Source], list[Note]]:
    """Moves cluster-wide SealedSecrets into the environment, and refuses those of another namespace."""
    namespace, notes = context.request.namespace, list[Note]()
    sealed = [source for source in sources if source.manifest["kind"] == KIND]
    refused = [
        message(source, Finding(("metadata", "namespace"), _reason(source, namespace)))
        for source in sealed
        if not is_cluster_wide(source.manifest) and _sealed_for(source) != namespace
    ]
    if refused:
        raise ManifestsRefused(refused)
    for source in sealed:
        # kubeseal writes the namespace in both places.
        for path in (("metadata",), ("spec", "template", "metadata")):
            metadata = mapping(source.manifest, *path)
            if text(metadata.get("namespace")) not in ("", namespace):
                metadata["namespace"] = namespace
                field = ".".join((*path, "namespace"))
                notes.append(Note(Effect.REWRITTEN, subject(source), _MOVED, field, namespace))
    return list(sources), notes


def is_cluster_wide(manifest: object) -> bool:
    return _annotation(manifest, _CLUSTER_WIDE)


def is_strict(manifest: object) -> bool:
    """Whether it can be opened only under its own name."""
    return not (is_cluster_wide(manifest) or _annotation(manifest, _NAMESPACE_WIDE))


def _annotation(manifest: object, name: str) -> bool:
    return text(mapping(mapping(manifest, "metadata"), "annotations").get(name)) == "true"


def _sealed_for(source: Source) -> str:
    return text(mapping(source.manifest, "metadata").get("namespace"))


def _reason(source: Source, namespace: str) -> str:
    sealed = _sealed_for(source)
    place = f"sealed for namespace {shortened(sealed, 63)}" if sealed else "sealed for one namespace"
    return (
        f"{place}, and this environment is {namespace}; seal it cluster-wide for previews "
        f"(`kubeseal --scope cluster-wide`), or for a stage with `--namespace {namespace}`"
    )

"""Routes of the manifests, which would claim the host names of production."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cluster.client.kinds import REPLACED
from bot.cluster.manifests import Source
from bot.cluster.render.transforms.base import Context, subject
from bot.model.notes import Effect, Note

_REPLACED = "the environment's own route replaces it"


def leave_out_routes(sources: Sequence[Source], _: Context) -> tuple[list[Source], list[Note]]:
    """Leaves out routes, which the environment's route replaces."""
    kept = [source for source in sources if not is_route(source)]
    return kept, [Note(Effect.LEFT_OUT, subject(source), _REPLACED) for source in sources if is_route(source)]


def is_route(source: Source) -> bool:
    group = source.manifest["apiVersion"].rpartition("/")[0]
    return (group, source.manifest["kind"]) in REPLACED

"""Objects that the manifests contain several times, as joined outputs of generators do."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bot.cluster.manifests import Source
from bot.cluster.render.transforms.base import Context, subject
from bot.model.notes import Effect, Note

_REPEATED = "the manifests contain the same object before"


def leave_out_repeated(sources: Sequence[Source], _: Context) -> tuple[list[Source], list[Note]]:
    """Leaves out objects that an earlier one equals in all fields."""
    first = dict[str, Source]()
    repeated = list[Source]()
    for source in sources:
        content = json.dumps(source.manifest, sort_keys=True)
        if first.setdefault(content, source) is not source:
            repeated.append(source)
    return list(first.values()), [Note(Effect.LEFT_OUT, subject(source), _REPEATED) for source in repeated]

"""Who requests something of a stage, and the promotion that is requested."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from bot.model.environment import EnvironmentKey
from bot.model.promotion import Promotion, PromotionKind, PromotionState
from bot.model.repository import Repository
from bot.promotions.stage_aggregate import STATE_TIMEOUTS


@dataclass(frozen=True, slots=True)
class Requester:
    """User or pipeline that requests, with the context of the request."""

    repository: Repository
    by: str
    """Login; "" for the pipeline."""
    token: str
    """Token of the comment or call: a request with the same token is executed once."""
    number: int | None = None
    head: str | None = None
    """The head that the user saw."""


def draft_promotion(
    requester: Requester,
    key: EnvironmentKey,
    kind: PromotionKind,
    now: datetime,
    release: str | None = None,
) -> Promotion:
    """A promotion that is not stored yet; the same request gives the same id."""
    state = PromotionState.REQUESTED
    return Promotion(
        id=hashlib.sha256(f"{requester.token}/{key.name}/{kind}".encode()).hexdigest()[:10],
        stage=key,
        repository=requester.repository,
        kind=kind,
        state=state,
        requested_by=requester.by,
        requested_at=now,
        since=now,
        deadline=now + STATE_TIMEOUTS[state],
        number=requester.number,
        head=requester.head,
        requested_release=release,
    )

"""A cluster that hangs occupies a share of the workers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.environments.share import Share
from bot.model.errors import Deferred

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_runs_above_the_share_wait_in_the_queue() -> None:
    share = Share("prod", 2, lambda: NOW)
    with share.slot():
        with share.slot(), pytest.raises(Deferred) as caught, share.slot():
            pass
        assert caught.value.retry_at == NOW + timedelta(seconds=1)
        with share.slot():
            pass


def test_only_cluster_has_all_workers() -> None:
    share = Share("default", None, lambda: NOW)
    with share.slot(), share.slot(), share.slot():
        pass

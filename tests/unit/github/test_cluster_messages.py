"""Sentences about clusters: what a repository may use, and what a move leaves."""

from __future__ import annotations

import pytest

from bot.environments.cluster_reasons import ClusterNotGranted, NamespaceLeft, StaysOnCluster
from bot.environments.reasons import EnvironmentReason
from bot.github.messages.cluster_reasons import left_behind
from bot.github.messages.environment_reasons import describe
from bot.github.messages.gate_reasons import gate_reason
from bot.model.clusters import NotGranted
from bot.model.environment import EnvironmentKind
from bot.promotions.gate_reasons import ClusterRefused, MoveUnconfirmed

STAGE, PREVIEW = EnvironmentKind.STAGE, EnvironmentKind.PREVIEW


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (
            ClusterNotGranted(NotGranted("prod", ("main",), PREVIEW)),
            "The cluster prod is not available to previews of this repository. Available: `main`. Name this "
            "one as `cluster` in `.greenroom.yml`, or ask the operator for access.",
        ),
        (
            ClusterNotGranted(NotGranted("", (), PREVIEW)),
            "The default cluster is not available to previews of this repository, nor is any other.",
        ),
        (
            StaysOnCluster("main", "prod"),
            "It stays on the cluster main; `.greenroom.yml` now names prod. It moves when it is deleted and "
            "deployed again (`/destroy`, `/preview`).",
        ),
        (
            NamespaceLeft("gr-shop-7-staging", "main"),
            "Deleted the namespace gr-shop-7-staging on the cluster main, which it no longer uses.",
        ),
    ],
)
def test_reasons_of_environments(reason: EnvironmentReason, sentence: str) -> None:
    assert describe(reason) == sentence


def test_reasons_of_gates() -> None:
    refused = gate_reason(ClusterRefused(NotGranted("prod", ("main", "edge"), STAGE)))
    assert refused.startswith("The cluster prod is not available to stages of this repository.")
    assert "Available: `main`, `edge`. Name one of these as `cluster`" in refused
    assert gate_reason(MoveUnconfirmed("production", "main", "prod")).endswith(
        "Confirm it with `/promote production --move`"
    )


def test_move_names_the_command_that_removes_what_it_leaves() -> None:
    assert left_behind("acme/shop", "production", "main").endswith(
        "`greenroom stage remove acme/shop production --cluster main`."
    )

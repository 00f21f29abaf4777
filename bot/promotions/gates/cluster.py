"""Gate for the cluster on which the stage is to run."""

from __future__ import annotations

from bot.model.clusters import NotGranted
from bot.promotions.gate_reasons import ClusterRefused, MoveUnconfirmed
from bot.promotions.gates.case import PASSED, GateInput, Verdict, rejected


def cluster(gate: GateInput) -> Verdict:
    """The repository may use the cluster, and a stage moves to another one only with a confirmation."""
    placement = gate.facts.placement
    if isinstance(placement, NotGranted):
        return rejected(ClusterRefused(placement))
    if placement is not None and placement.moves and not gate.promotion.moves:
        stage = gate.aggregate.stage.name
        return rejected(MoveUnconfirmed(stage, placement.present, placement.cluster))
    return PASSED

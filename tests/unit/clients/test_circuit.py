"""A service that does not answer gets one call at intervals."""

from __future__ import annotations

from bot.clients.circuit import FAILURES, Circuit


def test_circuit_opens_after_failures_and_closes_with_an_answer() -> None:
    now: list[float] = [0.0]
    changes: list[bool] = []
    circuit = Circuit(changes.append, lambda: now[0])
    for _ in range(FAILURES - 1):
        circuit.failed("connection refused")
    assert (circuit.is_open, circuit.pause(), changes) == (False, 0.0, [])
    circuit.failed("connection refused")
    assert circuit.is_open
    assert circuit.pause() == 5.0
    now[0] = 5.0
    assert circuit.pause() == 0.0
    assert circuit.pause() == 5.0, "only one call passes"
    circuit.answered()
    assert (circuit.is_open, circuit.pause(), changes) == (False, 0.0, [True, False])


def test_failures_that_are_not_in_a_row_do_not_open_it() -> None:
    circuit = Circuit(lambda unreachable: None, lambda: 0.0)
    for _ in range(3 * FAILURES):
        circuit.failed("one lost connection")
        circuit.answered()
    assert not circuit.is_open

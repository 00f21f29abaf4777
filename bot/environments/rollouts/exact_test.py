"""Exact one-sided tests of shares. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

_NEGLIGIBLE = 1e-12
"""A term of a tail that adds less than this to its sum ends the sum."""


def share_is_higher(events: int, of: int, other_events: int, of_others: int) -> float:
    """The probability of at least this many `events` by chance, if both shares were equal (Fisher's test).

    1.0 for empty counts.
    """
    total, everything = events + other_events, of + of_others
    if not of or not of_others or not total:
        return 1.0
    first = (
        _log_choose(total, events)
        + _log_choose(everything - total, of - events)
        - _log_choose(everything, of)
    )

    def ratio(k: int) -> float:
        return (total - k) * (of - k) / ((k + 1) * (everything - total - of + k + 1))

    return _tail(first, events, min(total, of), ratio, mean=total * of / everything)


def share_exceeds(events: int, of: int, share: float) -> float:
    """The probability of at least this many `events` by chance, if their share is `share` (binomial test)."""
    if not of or share >= 1 or not events:
        return 1.0
    if share <= 0:
        return 0.0
    first = _log_choose(of, events) + events * math.log(share) + (of - events) * math.log1p(-share)
    odds = share / (1 - share)
    return _tail(first, events, of, lambda k: (of - k) / (k + 1) * odds, mean=of * share)


def _tail(log_first: float, first: int, last: int, ratio: Callable[[int], float], mean: float) -> float:
    """The sum of the terms from `first` to `last`; `ratio(k)` is term k + 1 by term k."""
    term = total = math.exp(log_first)
    if not term and first <= mean:
        return 1.0  # the terms around the mean are larger than the smallest float
    for k in range(first, last):
        term *= ratio(k)
        total += term
        if k > mean and term <= _NEGLIGIBLE * total:
            break
    return min(total, 1.0)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

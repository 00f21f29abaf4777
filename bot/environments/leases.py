"""Decides which issued credentials of an environment are renewed, issued again or revoked. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.model.secret import Lease

_RENEW_AT = 1 / 2
"""Share of its first duration that is left when a lease is renewed."""
_REPLACE_AT = 2 / 3
"""A lease that cannot be extended above this share is replaced: pods still use it while others start.

It is above `_RENEW_AT`, so that a lease near its longest time is not renewed in each run until it ends.
"""


@dataclass(frozen=True, slots=True)
class LeasePlan:
    renewed: tuple[Lease, ...]
    """Current ones that are due for renewal."""
    kept: tuple[Lease, ...]
    missing: tuple[str, ...]
    """Paths without valid credentials."""


def plan_leases(leases: Sequence[Lease], used: Collection[str], now: datetime) -> LeasePlan:
    """Credentials that nothing requests count as replaced: pods may use them until others are ready."""
    leases = [lease if lease.path in used else replace(lease, replaced=True) for lease in leases]
    alive = [lease for lease in leases if lease.expires_at > now]
    current = [lease for lease in alive if not lease.replaced]
    renewed = tuple(lease for lease in current if now >= renewal_time(lease))
    have = {lease.path for lease in current}
    return LeasePlan(
        renewed=renewed,
        kept=tuple(lease for lease in alive if lease not in renewed),
        missing=tuple(path for path in sorted(used) if path not in have),
    )


def extended(lease: Lease, valid: timedelta, now: datetime) -> Lease:
    """The lease after a renewal; replaced if it ends too soon, at the longest time that it may have.

    One that cannot be renewed may still be valid: it is kept until it is revoked or ends.
    """
    expires = now + valid if valid else lease.expires_at
    return replace(lease, expires_at=expires, replaced=valid < lease.duration * _REPLACE_AT)


def renewal_time(lease: Lease) -> datetime:
    return lease.expires_at - lease.duration * _RENEW_AT

"""Issued credentials are renewed in time, replaced before they end, and revoked when nothing uses them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.environments.leases import extended, plan_leases, renewal_time
from bot.model.secret import Lease

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEASE = Lease("database/creds/shop/1", "database/creds/shop", NOW, NOW + HOUR, HOUR, {"username": "v-shop-1"})


def test_wanted_credentials_are_issued_once() -> None:
    assert plan_leases([], {LEASE.path}, NOW).missing == (LEASE.path,)
    plan = plan_leases([LEASE], {LEASE.path}, NOW)
    assert (plan.missing, plan.renewed, plan.kept) == ((), (), (LEASE,))


def test_lease_is_renewed_at_half_of_its_time() -> None:
    assert renewal_time(LEASE) == NOW + HOUR / 2
    assert plan_leases([LEASE], {LEASE.path}, NOW + HOUR / 2).renewed == (LEASE,)


def test_lease_that_cannot_be_extended_is_replaced_while_it_is_still_valid() -> None:
    later = NOW + HOUR / 2
    assert not extended(LEASE, HOUR, later).replaced
    ending = extended(LEASE, HOUR / 6, later)
    assert ending.replaced
    plan = plan_leases([ending], {LEASE.path}, later)
    assert plan.missing == (LEASE.path,)
    assert plan.kept == (ending,)


def test_lease_that_is_not_replaced_is_renewed_later_not_at_once() -> None:
    """Otherwise an environment would run without a pause until the lease ends."""
    for minutes in range(1, 61):
        renewed = extended(LEASE, timedelta(minutes=minutes), NOW)
        assert renewed.replaced or renewal_time(renewed) >= NOW + HOUR / 6


def test_lease_that_cannot_be_renewed_is_still_revoked() -> None:
    later = NOW + HOUR / 2
    ending = extended(LEASE, timedelta(), later)
    assert ending.replaced
    assert plan_leases([ending], {LEASE.path}, later).kept == (ending,)


def test_ended_lease_is_forgotten_and_issued_again() -> None:
    plan = plan_leases([LEASE], {LEASE.path}, NOW + HOUR)
    assert (plan.missing, plan.kept) == ((LEASE.path,), ())


def test_credentials_that_nothing_wants_are_kept_for_the_pods_that_still_run() -> None:
    plan = plan_leases([LEASE], (), NOW)
    assert plan.kept == (replace(LEASE, replaced=True),)
    assert "v-shop-1" not in repr(plan)

"""Hosts that stages may use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.environment import EnvironmentKey
from bot.model.hosts import NO_HOSTS, HostGrants
from bot.model.naming import host_label
from bot.model.repository import Repository

SHOP, WEB = Repository(7, 1, "Acme", "Shop"), Repository(8, 1, "acme", "web")
GRANTS = HostGrants(
    {
        "acme/shop": ("shop.example.com", "*.shop.example.com", "shop.preview.example.com"),
        "acme/web": ("*.example.com", "*.preview.example.com", "www.shop.example.com"),
    },
    ("preview.example.com", "forks.example.com"),
    "greenroom.example.com",
)


@pytest.mark.parametrize(
    ("host", "repository", "reason"),
    [
        ("shop.example.com", SHOP, None),
        ("blue.shop.example.com", SHOP, None),
        ("web.example.com", WEB, None),
        ("shop.preview.example.com", SHOP, None),
        ("www.shop.example.com", SHOP, "granted to another repository"),
        ("shop.example.com", WEB, "granted to another repository"),
        ("a.b.shop.example.com", SHOP, "GREENROOM_HOSTS=Acme/Shop=a.b.shop.example.com"),
        ("example.com", WEB, "not granted"),
        ("greenroom.example.com", WEB, "Greenroom's web pages"),
        ("preview.example.com", WEB, "reserved for generated hosts"),
        ("forks.example.com", WEB, "reserved for generated hosts"),
        ("pr-7-shop-7.preview.example.com", WEB, "reserved for generated hosts"),
    ],
)
def test_host_belongs_to_one_repository(host: str, repository: Repository, reason: str | None) -> None:
    objection = GRANTS.objection(host, repository)
    assert objection is None if reason is None else reason in (objection or "")


def test_no_host_is_granted_by_default() -> None:
    assert NO_HOSTS.objection("shop.example.com", SHOP) is not None


@given(
    st.integers(1, 10**12),
    st.from_regex(r"[A-Za-z0-9._-]{1,40}", fullmatch=True),
    st.from_regex(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?", fullmatch=True) | st.integers(1, 10**6),
)
def test_no_grant_covers_a_generated_host(id: int, name: str, place: str | int) -> None:
    other = Repository(id, 1, "acme", name)
    key = EnvironmentKey.preview(id, place) if isinstance(place, int) else EnvironmentKey.stage(id, place)
    host = f"{host_label(key, other)}.preview.example.com"
    assert GRANTS.objection(host, WEB) is not None

"""Hosts of further routes: one label below the domain, and never those of another environment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bot.config.routes import RouteName
from bot.config.stages import StageName
from bot.model.environment import EnvironmentKey, EnvironmentKind
from bot.model.naming import further_host, host_label
from bot.model.repository import Repository

_DOMAIN = "preview.example.com"


def _valid(adapter: TypeAdapter[str], text: str) -> bool:
    try:
        adapter.validate_python(text)
    except ValidationError:
        return False
    return True


_STAGE: TypeAdapter[str] = TypeAdapter(StageName)
_ROUTE: TypeAdapter[str] = TypeAdapter(RouteName)
_LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)
_NAMES = st.sampled_from(["api", "pr-1", "shop", "a1", "demo", "x" * 40, "admin-" + "y" * 33])
_STAGES = (_LABEL | _NAMES).filter(lambda name: _valid(_STAGE, name))
_ROUTES = (_LABEL | _NAMES).filter(lambda name: _valid(_ROUTE, name))
_REPOSITORIES = st.builds(
    Repository,
    st.integers(1, 2**62),
    st.just(1),
    st.just("acme"),
    st.sampled_from(["shop", "a--b", "pr-1", "x" * 100, "1", "api--pr-1-shop"]) | st.text(max_size=100),
)


@st.composite
def _environments(draw: st.DrawFn) -> str:
    """The label of any environment."""
    repository = draw(_REPOSITORIES)
    kind = draw(st.sampled_from(EnvironmentKind))
    name = str(draw(st.integers(1, 10**6))) if kind is EnvironmentKind.PREVIEW else draw(_STAGES)
    return host_label(EnvironmentKey(kind, repository.id, name), repository)


_HOSTS = st.tuples(_environments(), st.none() | _ROUTES)


def _host(environment: str, route: str | None) -> str:
    own = f"{environment}.{_DOMAIN}"
    return own if route is None else further_host(route, own)


@given(first=_HOSTS, second=_HOSTS)
def test_hosts_of_different_environments_or_routes_differ(
    first: tuple[str, str | None], second: tuple[str, str | None]
) -> None:
    assert (_host(*first) == _host(*second)) == (first == second)


@given(environment=_environments(), route=_ROUTES)
def test_further_host_has_one_label_of_at_most_63_characters(environment: str, route: str) -> None:
    label, _, domain = further_host(route, f"{environment}.{_DOMAIN}").partition(".")
    assert domain == _DOMAIN
    assert 1 <= len(label) <= 63
    assert not label.startswith("-")
    assert not label.endswith("-")
    assert label.startswith(route)
    assert further_host(route, f"{environment}.{_DOMAIN}") == f"{label}.{_DOMAIN}"


def test_further_host_names_route_and_environment() -> None:
    assert further_host("api", f"pr-7-shop-k2x.{_DOMAIN}") == f"api--pr-7-shop-k2x.{_DOMAIN}"

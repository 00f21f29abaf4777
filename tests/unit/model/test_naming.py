"""Names are DNS labels, readable, and never shared by two repositories."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bot.model.environment import EnvironmentKey
from bot.model.naming import host_label, namespace_name, repository_slug
from bot.model.repository import Repository

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
repositories = st.builds(
    Repository,
    id=st.integers(1, 2**40),
    installation_id=st.just(1),
    owner=st.just("acme"),
    name=st.text(min_size=1, max_size=200),
)


@given(repositories, st.integers(1, 2**31))
def test_names_of_any_repository_are_dns_labels(repository: Repository, number: int) -> None:
    key = EnvironmentKey.preview(repository.id, number)
    assert LABEL.fullmatch(namespace_name(key, repository))
    assert LABEL.fullmatch(host_label(key, repository))


stage_names = st.from_regex(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?", fullmatch=True)


@given(repositories, stage_names, stage_names)
def test_stage_and_demo_names_are_distinct_dns_labels(repository: Repository, name: str, other: str) -> None:
    stage, demo = EnvironmentKey.stage(repository.id, name), EnvironmentKey.demo(repository.id, other)
    for name_of in (namespace_name, host_label):
        names = name_of(stage, repository), name_of(demo, repository)
        assert names[0] != names[1]
        assert all(LABEL.fullmatch(label) for label in names)


def test_demo_names_differ_from_names_of_a_former_stage() -> None:
    shop = Repository(7, 1, "acme", "shop")
    demo = EnvironmentKey.demo(7, "sales")
    assert (namespace_name(demo, shop), host_label(demo, shop)) == (
        "gr-demo-shop-7-sales",
        "sales-shop-7-demo",
    )


@given(repositories, repositories)
def test_repositories_never_share_a_slug(first: Repository, second: Repository) -> None:
    if first.id != second.id:
        assert repository_slug(first) != repository_slug(second)


def test_namespaces_differ_between_organisations() -> None:
    acme, umbrella = Repository(7, 1, "acme", "shop"), Repository(8, 2, "umbrella", "shop")
    names = {namespace_name(EnvironmentKey.preview(r.id, 1), r) for r in (acme, umbrella)}
    assert names == {"gr-shop-7-pr-1", "gr-shop-8-pr-1"}


def test_name_without_latin_letters_has_a_slug() -> None:
    assert repository_slug(Repository(35, 1, "acme", "店")) == "repository-z"


@given(st.integers(1, 2**60), st.integers(1, 2**31))
def test_key_survives_text_and_label(repository_id: int, number: int) -> None:
    key = EnvironmentKey.preview(repository_id, number)
    assert EnvironmentKey.parse(str(key)) == key
    assert EnvironmentKey.parse(key.label) == key

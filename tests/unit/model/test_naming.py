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
def test_whatever_the_repository_is_called_its_names_fit_kubernetes_and_dns(
    repository: Repository, number: int
) -> None:
    key = EnvironmentKey.preview(repository.id, number)
    assert LABEL.fullmatch(namespace_name(key, repository))
    assert LABEL.fullmatch(host_label(key, repository))


places = st.from_regex(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?", fullmatch=True)


@given(repositories, places, places)
def test_stages_and_demos_fit_too_and_never_share_a_name(
    repository: Repository, name: str, other: str
) -> None:
    stage, demo = EnvironmentKey.stage(repository.id, name), EnvironmentKey.demo(repository.id, other)
    for named in (namespace_name, host_label):
        names = named(stage, repository), named(demo, repository)
        assert names[0] != names[1]
        assert all(LABEL.fullmatch(each) for each in names)


def test_a_demo_that_has_the_name_of_a_former_stage_stands_beside_it() -> None:
    shop = Repository(7, 1, "acme", "shop")
    demo = EnvironmentKey.demo(7, "sales")
    assert (namespace_name(demo, shop), host_label(demo, shop)) == (
        "gr-demo-shop-7-sales",
        "sales-shop-7-demo",
    )


@given(repositories, repositories)
def test_two_repositories_never_share_a_slug(one: Repository, other: Repository) -> None:
    if one.id != other.id:
        assert repository_slug(one) != repository_slug(other)


def test_two_repositories_of_one_name_in_two_organisations_get_two_namespaces() -> None:
    acme, umbrella = Repository(7, 1, "acme", "shop"), Repository(8, 2, "umbrella", "shop")
    names = {namespace_name(EnvironmentKey.preview(r.id, 1), r) for r in (acme, umbrella)}
    assert names == {"gr-shop-7-pr-1", "gr-shop-8-pr-1"}


def test_a_name_without_a_single_latin_letter_still_gets_one() -> None:
    assert repository_slug(Repository(35, 1, "acme", "店")) == "repository-z"


@given(st.integers(1, 2**60), st.integers(1, 2**31))
def test_a_key_is_read_back_from_its_text_and_its_label(repository_id: int, number: int) -> None:
    key = EnvironmentKey.preview(repository_id, number)
    assert EnvironmentKey.parse(str(key)) == key
    assert EnvironmentKey.parse(key.label) == key

"""The rules of a route while two revisions share its traffic."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.cluster.names import candidate_name
from bot.cluster.rollouts.weights import header_rules, weight_of, weighted
from bot.cluster.routing.routes import with_release
from bot.model.manifest import RELEASE_HEADER

_SUFFIX, _OTHER = "gr0123abcd", "grffffffff"


def _rule(*backends: tuple[str, int]) -> dict[str, Any]:
    references = [
        {"kind": "Service", "name": name, "port": 80, "weight": weight} for name, weight in backends
    ]
    matches = [{"path": {"type": "PathPrefix", "value": "/"}}, {"path": {"type": "Exact", "value": "/a"}}]
    return {"matches": matches, "filters": with_release([], "old"), "backendRefs": references}


_backends = st.lists(
    st.tuples(st.sampled_from(["shop", "api", "files"]), st.integers(0, 1000)),
    min_size=1,
    max_size=3,
    unique_by=lambda item: item[0],
)
_percents = st.integers(0, 100)


@given(st.lists(_backends, min_size=1, max_size=3), st.lists(_percents, max_size=5), _percents)
def test_weights_do_not_depend_on_those_before(
    rules: list[list[tuple[str, int]]], before: list[int], weight: int
) -> None:
    original = [_rule(*backends) for backends in rules]
    moved = original
    for earlier in before:
        moved = weighted(moved, ("shop", "api"), _OTHER, earlier, "other")
    expected = weighted(original, ("shop", "api"), _SUFFIX, weight, "new")
    result = weighted(moved, ("shop", "api"), _SUFFIX, weight, "new")
    assert [rule["backendRefs"] for rule in result] == [rule["backendRefs"] for rule in expected]


@given(_backends, _percents)
def test_each_service_shares_its_own_traffic(backends: list[tuple[str, int]], weight: int) -> None:
    [rule] = weighted([_rule(*backends)], ("shop", "api"), _SUFFIX, weight, "new")
    weights = {ref["name"]: ref["weight"] for ref in rule["backendRefs"]}
    total = sum(share for _, share in backends)
    for name, share in backends:
        pair = weights[name] + weights.get(candidate_name(name, _SUFFIX), 0)
        assert pair * total == share * sum(weights.values())
    assert weight_of([rule], ("shop", "api"), _SUFFIX) <= {weight, 0}


@given(
    st.tuples(st.integers(0, 1000), st.integers(0, 1000)).filter(any),
    st.integers(1, 100),
)
def test_weights_of_another_client_never_stop_all_traffic(pair: tuple[int, int], weight: int) -> None:
    changed = [_rule(("shop", pair[0]), (f"shop-{_SUFFIX}", pair[1]))]
    corrected = weighted(changed, ("shop",), _SUFFIX, weight, "new")
    assert weight_of(corrected, ("shop",), _SUFFIX) == {weight}
    [returned] = weighted(changed, (), "", 0, "")
    [backend] = returned["backendRefs"]
    assert backend["name"] == "shop"
    assert backend["weight"] > 0


def test_no_traffic_leaves_the_rules_as_they_were() -> None:
    rules = [_rule(("shop", 1))]
    assert weighted(rules, ("shop",), _SUFFIX, 0, "new") == rules


def test_header_names_the_release_only_if_one_side_has_all_traffic() -> None:
    def names(weight: int) -> list[str]:
        [rule] = weighted([_rule(("shop", 1))], ("shop",), _SUFFIX, weight, "new")
        filters = rule.get("filters") or []
        return [header["value"] for item in filters for header in item["responseHeaderModifier"]["set"]]

    assert (names(0), names(50), names(100)) == (["old"], [], ["new"])


def test_each_match_gets_a_copy_with_the_header_which_is_removed() -> None:
    [rule] = header_rules([_rule(("shop", 1), ("files", 1))], _SUFFIX, ("shop",), ("X-Candidate", "secret"))
    assert [match["headers"] for match in rule["matches"]] == [
        [{"type": "Exact", "name": "X-Candidate", "value": "secret"}]
    ] * 2
    assert [ref["name"] for ref in rule["backendRefs"]] == [f"shop-{_SUFFIX}", "files"]
    removed = [
        item["requestHeaderModifier"]["remove"] for item in rule["filters"] if "requestHeaderModifier" in item
    ]
    assert removed == [["X-Candidate"]]
    assert any(RELEASE_HEADER in str(item) for item in rule["filters"])


@given(st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True))
def test_candidate_names_are_labels_and_distinct(name: str) -> None:
    made = candidate_name(name, _SUFFIX)
    assert len(made) <= 63
    assert made.endswith(f"-{_SUFFIX}")
    assert made != candidate_name(f"{name[:62]}x", _SUFFIX) or name == f"{name[:62]}x"

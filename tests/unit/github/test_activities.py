"""Who pushed the commits of a pull request, as far as GitHub's list of activities shows it."""

from __future__ import annotations

from bot.github.resources.activities import pushes_of


def push(before: str, after: str, by: str, kind: str = "push") -> dict[str, object]:
    return {"before": before, "after": after, "activity_type": kind, "actor": {"login": by}}


def pushers(activities: list[dict[str, object]], *commits: str) -> list[object]:
    newest_first = list(reversed(activities))
    return [activity["actor"]["login"] for activity in pushes_of(newest_first, commits)[0]]  # type: ignore[index]


def test_pushes_of_other_commits_do_not_count() -> None:
    activities = [push("0", "old", "zoe", "branch_creation"), push("old", "a", "ada"), push("a", "b", "ben")]
    assert pushers(activities, "a", "b") == ["ben", "ada"]


def test_push_that_was_replaced_by_force_counts() -> None:
    """Mallory pushed `a` and `x` at once; Ada replaced `x` and kept `a`."""
    activities = [
        push("0", "old", "zoe", "branch_creation"),
        push("old", "x", "mallory"),
        push("x", "b", "ada", "force_push"),
    ]
    assert pushers(activities, "a", "b") == ["ada", "mallory", "zoe"]


def test_pushes_before_a_replaced_one_count() -> None:
    activities = [
        push("0", "x", "mallory", "branch_creation"),
        push("x", "y", "eve"),
        push("y", "b", "ada", "force_push"),
    ]
    assert pushers(activities, "a", "b") == ["ada", "eve", "mallory"]

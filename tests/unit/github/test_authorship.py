"""Who wrote and pushed commits, from GitHub's responses."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bot.github.resources.authorship import commit_authors, with_pushers
from bot.model.commit import Authors, UnknownAuthor, UnknownRole

HEAD = "a" * 40


def commit(login: str | None = "ada", message: str = "Paint", **fields: Any) -> dict[str, Any]:
    account, address = {"login": login} if login else None, f"{login or 'unknown'}@example.com"
    people = {"author": {"email": address}, "committer": {"email": address}}
    return {
        "sha": HEAD,
        "author": account,
        "committer": account,
        "commit": people | {"message": message},
        **fields,
    }


def test_author_without_an_account_is_unknown() -> None:
    authors = commit_authors([commit(None), commit("bea")])
    assert authors.logins == ("bea",)
    assert {unknown.role for unknown in authors.unknown} == {UnknownRole.AUTHOR, UnknownRole.COMMITTER}


@pytest.mark.parametrize("account", [None, {}, {"login": ""}])
@pytest.mark.parametrize(
    "address",
    [
        "ada@example.com",
        "x@y",
        "nobody@users.noreply.example.org",
        "nobody@users.noreply.github.com",
        "4242+nobody@users.noreply.github.com",
        "",
    ],
)
@pytest.mark.parametrize("role", [UnknownRole.AUTHOR, UnknownRole.COMMITTER])
def test_person_without_an_account_is_unknown(account: object, address: str, role: UnknownRole) -> None:
    """No address proves an account: anybody can write one into a commit."""
    people = {"author": {"email": "ada@example.com"}, "committer": {"email": "ada@example.com"}}
    texts = people | {role.value: {"email": address}, "message": ""}
    changed = commit() | {role.value: account, "commit": texts}
    authors = commit_authors([changed])
    assert authors.unknown == (UnknownAuthor(HEAD, role),)
    assert set(authors.logins) == {"ada", *(["nobody"] if "nobody" in address else [])}


@pytest.mark.parametrize(
    ("trailer", "logins", "unknown"),
    [
        ("Co-authored-by: Bea <4242+oldbea@users.noreply.github.com>", ("ada", "oldbea"), False),
        ("co-authored-by: Bea <bea@users.noreply.github.com>", ("ada", "bea"), False),
        ("Co-Authored-By: Ada <ADA@example.com>", ("ada",), False),
        ("Co-authored-by : Bea <bea@home.example.com>", ("ada",), True),
        ("  Co-authored-by\t: Bea <bea@home.example.com>", ("ada",), True),
        ("Co-authored-by: Ada <ada@example.com>, Bea <bea@home.example.com>", ("ada",), True),
        ("Co-authored-by: Ada <ada@example.com> <bea@home.example.com>", ("ada",), True),
        ("Co-authored-by: ada@example.com", ("ada",), True),
        ("Co-authored-by: Bea <bea@home.example.com>", ("ada",), True),
        ("Co-authored-by: Bea", ("ada",), True),
        ("Co-authored-by:\n Ada <ada@example.com>", ("ada",), True),
        ("Co-authored-by:", ("ada",), True),
        (
            "Co-authored-by: bot <1+dependabot[bot]@users.noreply.github.com>",
            ("ada", "dependabot[bot]"),
            False,
        ),
        ("Signed-off-by: Bea <12+bea@users.noreply.github.com>", ("ada", "bea"), False),
        ("Signed-off-by: dependabot[bot] <support@github.com>", ("ada",), False),
        ("Reviewed-by: Bea <12+bea@users.noreply.github.com>", ("ada",), False),
    ],
)
def test_trailers_name_authors(trailer: str, logins: tuple[str, ...], unknown: bool) -> None:
    authors = commit_authors([commit(message=f"Paint\n\n{trailer}\n")])
    assert authors.logins == logins
    assert authors.unknown == ((UnknownAuthor(HEAD, UnknownRole.CO_AUTHOR),) if unknown else ())


def test_address_that_github_attributes_elsewhere_is_known() -> None:
    trailer = "Paint\n\nCo-authored-by: Bea <bea@example.com>"
    assert commit_authors([commit(message=trailer), commit("bea")]) == Authors(("ada", "bea"))


@pytest.mark.parametrize("value", ["a" * 60_000, "a@" * 30_000, "<" * 60_000, "\nCo-authored-by: a" * 3000])
def test_hostile_trailer_takes_little_time(value: str) -> None:
    started = time.process_time()
    assert commit_authors([commit("ada", f"Paint\n\nCo-authored-by: {value}")]).unknown
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize(
    ("pushes", "logins", "identified"),
    [
        ([{"after": HEAD, "actor": {"login": "eve"}}], ("ada", "eve"), True),
        ([{"after": HEAD, "actor": {"login": "eve"}}, {"after": "b", "actor": {"login": "bea"}}], None, True),
        ([{"after": HEAD, "actor": None}], ("ada",), False),
        ([{"after": "b" * 40, "actor": {"login": "eve"}}], ("ada", "eve"), False),
        ([], ("ada",), False),
    ],
)
def test_pusher_of_the_head_must_be_known(
    pushes: list[object], logins: tuple[str, ...], identified: bool
) -> None:
    authors = with_pushers(Authors(("ada",)), pushes, HEAD)
    assert authors.logins == (logins or ("ada", "bea", "eve"))
    assert authors.unknown == (() if identified else (UnknownAuthor(HEAD, UnknownRole.PUSHER),))

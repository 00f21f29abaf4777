"""Who wrote and pushed commits, as far as GitHub can attribute them to accounts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from bot.github.client.json_fields import text
from bot.model.commit import Authors, UnknownAuthor, UnknownRole

_TRAILER = re.compile(r"^(co-authored-by|signed-off-by):(.*)$", re.IGNORECASE | re.MULTILINE)
_ADDRESS = re.compile(r"<([^<>\s]+)>")
_NOREPLY = re.compile(r"(?:\d+\+)?([a-z0-9][a-z0-9-]*(?:\[bot\])?)@users\.noreply\.[^@\s]+", re.IGNORECASE)
"""GitHub's noreply addresses name a login."""


def commit_authors(commits: Sequence[object]) -> Authors:
    """Authors, committers and co-authors; signers count where their address belongs to a known account."""
    accounts = dict(_known_addresses(commits))
    logins, unknown = set[str](), set[UnknownAuthor]()
    for commit in commits:
        sha = text(commit, "sha")
        for role, login, address in _people(commit):
            account = login or accounts.get(address.lower()) or _noreply_login(address)
            if account:
                logins.add(account)
            elif role is not None:
                unknown.add(UnknownAuthor(sha, role))
    return Authors(tuple(sorted(logins)), tuple(sorted(unknown)))


def with_pushers(authors: Authors, pushes: Sequence[object], head: str) -> Authors:
    """Adds the users who made the pushes; it must be known who pushed the head."""
    logins = {*authors.logins, *(text(push, "actor", "login") for push in pushes)} - {""}
    attributed = any(text(push, "after") == head and text(push, "actor", "login") for push in pushes)
    unknown = authors.unknown if attributed else (*authors.unknown, UnknownAuthor(head, UnknownRole.PUSHER))
    return Authors(tuple(sorted(logins)), unknown)


def _known_addresses(commits: Iterable[object]) -> Iterator[tuple[str, str]]:
    """Addresses that GitHub attributes to an account in one of the commits."""
    for commit in commits:
        for field in ("author", "committer"):
            address, login = text(commit, "commit", field, "email"), text(commit, field, "login")
            if address and login:
                yield address.lower(), login


def _people(commit: object) -> Iterator[tuple[UnknownRole | None, str, str]]:
    """Role, login and address; no role where an unknown person does not matter."""
    for field, role in (("author", UnknownRole.AUTHOR), ("committer", UnknownRole.COMMITTER)):
        yield role, text(commit, field, "login"), text(commit, "commit", field, "email")
    for kind, person in _TRAILER.findall(text(commit, "commit", "message")):
        address = _ADDRESS.search(person)
        co_author = UnknownRole.CO_AUTHOR if kind.lower() == "co-authored-by" else None
        yield co_author, "", address[1] if address is not None else ""


def _noreply_login(address: str) -> str:
    match = _NOREPLY.fullmatch(address)
    return match[1] if match is not None else ""

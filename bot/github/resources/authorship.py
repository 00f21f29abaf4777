"""Who wrote and pushed commits, as far as GitHub can attribute them to accounts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from bot.github.client.json_fields import text
from bot.model.commit import Authors, UnknownAuthor, UnknownRole

_TRAILER = re.compile(
    r"^[^\S\n]*(co-authored-by|signed-off-by)[^\S\n]*:([^\n]*)", re.IGNORECASE | re.MULTILINE
)
_PERSON = re.compile(r"[^<>@]*<([^<>\s]+)>\s*")
"""One name and one address."""
_ADDRESS = re.compile(r"(?<![^<>\s,;])[^<>\s,;]+@[^<>\s,;]+")
_NOREPLY = re.compile(r"(?:\d+\+)?([a-z0-9][a-z0-9-]*(?:\[bot\])?)@users\.noreply\.[^@\s]+", re.IGNORECASE)
"""Such an address names a login. Anybody can write one, and the login may be invented or outdated."""


def commit_authors(commits: Sequence[object]) -> Authors:
    """Authors, committers, co-authors and signers.

    An author or committer is known only if GitHub attributes the commit to an account: the login in a noreply
    address counts in addition, but proves nothing. A co-author, whom nothing but the trailer names, is known
    by an attributed or a noreply address.
    """
    accounts = dict(_known_addresses(commits))
    logins, unknown = set[str](), set[UnknownAuthor]()
    for commit in commits:
        sha = text(commit, "sha")
        for field, role in (("author", UnknownRole.AUTHOR), ("committer", UnknownRole.COMMITTER)):
            login, address = text(commit, field, "login"), text(commit, "commit", field, "email")
            logins.add(login or accounts.get(address.lower()) or _noreply_login(address))
            if not login:
                unknown.add(UnknownAuthor(sha, role))
        for is_author, addresses, is_one_person in _trailers(text(commit, "commit", "message")):
            named = [accounts.get(address.lower()) or _noreply_login(address) for address in addresses]
            logins.update(named)
            if is_author and not (is_one_person and all(named)):
                unknown.add(UnknownAuthor(sha, UnknownRole.CO_AUTHOR))
    logins.discard("")
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


def _trailers(message: str) -> Iterator[tuple[bool, list[str], bool]]:
    """Whether each names a co-author, or a signer; its addresses; whether it has the form of one person."""
    for kind, value in _TRAILER.findall(message.replace("\r", "\n")):
        person = _PERSON.fullmatch(value)
        addresses = [person[1]] if person is not None else _ADDRESS.findall(value)
        yield kind.lower() == "co-authored-by", addresses, person is not None


def _noreply_login(address: str) -> str:
    match = _NOREPLY.fullmatch(address)
    return match[1] if match is not None else ""

"""Texts that many records share, such as a version of `.greenroom.yml`: stored once, by digest.

They are never deleted: a repository has few versions of its configuration, and promotions refer to them.
"""

from __future__ import annotations

import hashlib

import msgspec
from sqlalchemy import Connection, select

from bot.store.database import insert
from bot.store.records import Keep, Resolve
from bot.store.tables import documents

_MAX_CACHED = 1000

_texts: dict[str, str] = {}
"""Texts by digest, of any database: a digest never gets another text."""


def keeper(connection: Connection) -> Keep:
    """Within a transaction: a function that stores a text and returns its digest."""

    def keep(text: str) -> str:
        digest = hashlib.sha256(text.encode()).hexdigest()
        # As JSON, because PostgreSQL accepts no NUL in a text.
        row = {"digest": digest, "body": msgspec.json.encode(text).decode()}
        connection.execute(insert(connection, documents).values(row).on_conflict_do_nothing())
        return digest

    return keep


def resolver(connection: Connection) -> Resolve:
    """Within a transaction: a function that returns the text of a digest."""

    def resolve(digest: str) -> str:
        text = _texts.get(digest)
        if text is None:
            body = connection.execute(
                select(documents.c.body).where(documents.c.digest == digest)
            ).scalar_one()
            text = msgspec.json.decode(body, type=str)
            if len(_texts) >= _MAX_CACHED:
                _texts.clear()
            _texts[digest] = text
        return text

    return resolve

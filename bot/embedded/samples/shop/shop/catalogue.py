"""The catalogue: products, orders and a guest book in SQLite on a volume, over HTTP for the shop.

GET /products, PUT /products (replaces all of them), POST /orders, POST /notes, GET /state, GET /healthz.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from .web import Answer, BadRequestError, as_json, serve

SCHEMA = """
create table if not exists products (
    id text primary key, position integer, name text, note text, kind text, colour text, cents integer
);
create table if not exists orders (id integer primary key, product text not null);
create table if not exists notes (id integer primary key, text text not null);
create table if not exists seedings (at text not null);
"""
T = TypeVar("T")
LONGEST_NOTE = 140
SHOWN_NOTES = 12
PRODUCTS = "select id, name, note, kind, colour, cents from products order by position"
COLUMNS = ("id", "name", "note", "kind", "colour", "cents")


class Catalogue:
    """Products and orders in one SQLite file below `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "catalogue.db"
        with self._database() as database:
            database.executescript(SCHEMA)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10)) as connection, connection:
            yield connection

    def products(self, _body: bytes = b"") -> Answer:
        """All products in the order of the seed."""
        with self._database() as database:
            rows = database.execute(PRODUCTS).fetchall()
        return as_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])

    def replace_products(self, body: bytes) -> Answer:
        """Take the products of `body`, a JSON list, instead of those that are there."""
        rows = [_row(position, entry) for position, entry in enumerate(_json(body, list))]
        with self._database() as database:
            database.execute("delete from products")
            database.executemany("insert into products values (?, ?, ?, ?, ?, ?, ?)", rows)
            database.execute("insert into seedings values (?)", (datetime.now(UTC).isoformat(),))
        return as_json({"products": len(rows)})

    def state(self, _body: bytes = b"") -> Answer:
        """What visitors left, and when the products were seeded. The volume holds all of it."""
        with self._database() as database:
            orders = database.execute("select count(*) from orders").fetchone()[0]
            seedings, seeded_at = database.execute("select count(*), max(at) from seedings").fetchone()
            notes = database.execute("select text from notes order by id desc limit ?", (SHOWN_NOTES,))
            return as_json(
                {
                    "orders": orders,
                    "seedings": seedings,
                    "seeded_at": seeded_at,
                    "notes": [text for (text,) in notes],
                }
            )

    def note(self, body: bytes) -> Answer:
        """Write `{"text": …}` into the guest book."""
        text = " ".join(str(_json(body, dict).get("text") or "").split())[:LONGEST_NOTE]
        if not text:
            raise BadRequestError("the note is empty")
        with self._database() as database:
            database.execute("insert into notes (text) values (?)", (text,))
        return as_json({"text": text}, 201)

    def order(self, body: bytes) -> Answer:
        """Order one piece of `{"product": ID}`."""
        product = _json(body, dict).get("product")
        with self._database() as database:
            if not database.execute("select 1 from products where id = ?", (product,)).fetchone():
                raise BadRequestError(f"there is no product {product!r}")
            database.execute("insert into orders (product) values (?)", (product,))
        return as_json({"product": product}, 201)


def _json(body: bytes, kind: type[T]) -> T:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise BadRequestError(f"not JSON: {error}") from None
    if not isinstance(value, kind):
        raise BadRequestError(f"a JSON {kind.__name__} is expected")
    return value


def _row(position: int, entry: object) -> tuple[object, ...]:
    if not isinstance(entry, dict):
        raise BadRequestError(f"product {position + 1} is not an object")
    missing = [column for column in COLUMNS if column not in entry]
    if missing:
        raise BadRequestError(f"product {entry.get('id', position + 1)!r} has no {', '.join(missing)}")
    return (entry["id"], position, *(entry[column] for column in COLUMNS[1:]))


def main() -> None:
    """Serve the catalogue that lies in DATA_DIR."""
    catalogue = Catalogue(Path(os.environ.get("DATA_DIR", "data")))
    routes = {
        ("GET", "/healthz"): lambda _body: as_json({"status": "ok"}),
        ("GET", "/products"): catalogue.products,
        ("PUT", "/products"): catalogue.replace_products,
        ("POST", "/orders"): catalogue.order,
        ("POST", "/notes"): catalogue.note,
        ("GET", "/state"): catalogue.state,
    }
    serve("catalogue", routes, {})


if __name__ == "__main__":
    main()

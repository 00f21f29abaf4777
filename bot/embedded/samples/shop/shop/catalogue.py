"""The catalogue: products and orders in SQLite on a volume, over HTTP for the shop.

GET /products, PUT /products (replaces all of them), GET /orders, POST /orders, GET /healthz.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from .web import Answer, BadRequestError, as_json, serve

SCHEMA = """
create table if not exists products (
    id text primary key, position integer, name text, note text, kind text, colour text, cents integer
);
create table if not exists orders (id integer primary key, product text not null);
"""
T = TypeVar("T")
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
        return as_json({"products": len(rows)})

    def orders(self, _body: bytes = b"") -> Answer:
        """How many orders there are."""
        with self._database() as database:
            count = database.execute("select count(*) from orders").fetchone()[0]
        return as_json({"count": count})

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
        ("GET", "/orders"): catalogue.orders,
        ("POST", "/orders"): catalogue.order,
    }
    serve("catalogue", routes, {})


if __name__ == "__main__":
    main()

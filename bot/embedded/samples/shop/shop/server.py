"""The shop's web server. It keeps no data: what is to last lives in the catalogue."""

from __future__ import annotations

import os
from urllib.parse import parse_qs

from . import client, theme
from .page import render
from .web import Answer, BadRequestError, as_json, serve

RELEASE = {"release": "RELEASE", "commit": "COMMIT_SHA", "pod": "POD_NAME"}


def release() -> dict[str, str]:
    """The release that runs here, from the environment."""
    return {name: os.environ[variable] for name, variable in RELEASE.items() if os.environ.get(variable)}


def home(_body: bytes) -> Answer:
    """The catalogue page."""
    products, state = client.get("catalogue", "/products"), client.get("catalogue", "/state")
    return Answer(render(products, state, release()).encode())


def health(_body: bytes) -> Answer:
    """Whether this process answers, and what it is."""
    return as_json({"status": "ok", "version": theme.VERSION, **release()})


def ready(_body: bytes) -> Answer:
    """Whether this process can sell: the catalogue answers."""
    return as_json({"products": len(client.get("catalogue", "/products"))})


def buy(body: bytes) -> Answer:
    """Order one piece and show the catalogue again."""
    return _forward(body, "product", "/orders")


def write_note(body: bytes) -> Answer:
    """Write into the guest book and show it."""
    return _forward(body, "text", "/notes")


def _forward(body: bytes, field: str, path: str) -> Answer:
    value = parse_qs(body.decode(errors="replace")).get(field, [""])[0]
    try:
        client.send("POST", "catalogue", path, {field: value})
    except client.RefusedError as error:
        raise BadRequestError(str(error)) from None
    return Answer(b"", status=303, headers={"Location": "/"})


def main() -> None:
    """Serve the shop."""
    routes = {
        ("GET", "/"): home,
        ("GET", "/healthz"): health,
        ("GET", "/readyz"): ready,
        ("GET", "/api/products"): lambda _body: as_json(client.get("catalogue", "/products")),
        ("POST", "/orders"): buy,
        ("POST", "/notes"): write_note,
    }
    serve(f"shop {theme.VERSION}", routes, {"X-Shop-Version": theme.VERSION})


if __name__ == "__main__":
    main()

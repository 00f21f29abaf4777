"""The smoke test: does the running shop sell the products of the seed?"""

from __future__ import annotations

import html
import json
import sys

from . import client
from .seed import SEED


def main() -> int:
    """Exit code 0 when every seeded product is for sale."""
    expected = {product["id"]: product["name"] for product in json.loads(SEED.read_text())}
    try:
        health = client.get("shop", "/healthz")
        offered = {product["id"] for product in client.get("shop", "/api/products")}
        page = html.unescape(client.fetch("shop", "/").decode())
    except OSError as error:
        print(f"FAILED the shop does not answer: {error}")
        return 1
    print(f"ok     /healthz is {health['status']}, version {health['version']}")
    missing = [name for key, name in expected.items() if key not in offered or name not in page]
    for key, name in expected.items():
        print(f"{'FAILED' if name in missing else 'ok    '} {name} ({key})")
    print(f"{len(expected) - len(missing)} of {len(expected)} seeded products are for sale")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())

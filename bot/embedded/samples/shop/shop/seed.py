"""Fill the catalogue from seed/catalogue.json. May run again: it replaces what is there."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from . import client

SEED = Path(__file__).resolve().parent.parent / "seed" / "catalogue.json"
PATIENCE = 60.0  # seconds for the catalogue to come up


def main() -> int:
    """Exit code 0 when the catalogue took every product."""
    try:
        products = json.loads(SEED.read_text())
    except ValueError as error:
        print(f"seed/catalogue.json is not JSON: {error}", file=sys.stderr)
        return 1
    print(f"seed/catalogue.json has {len(products)} products", flush=True)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            print(
                "catalogue took",
                client.send("PUT", "catalogue", "/products", products)["products"],
                "products",
            )
            return 0
        except client.RefusedError as error:
            print(f"the seed was refused: {error}", file=sys.stderr)
            return 1
        except OSError as error:
            if time.monotonic() > deadline:
                print(f"the catalogue is not reachable: {error}", file=sys.stderr)
                return 1
            time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())

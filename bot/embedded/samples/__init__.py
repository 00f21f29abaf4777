"""Sample repositories as {path: content}, and functions that make the next commit of one.

A commit function takes the files of the parent commit and returns all files of the new one.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Look:
    """Theme and catalogue of the shop. A product is (id, name, note, kind, colour, cents)."""

    version: str
    tagline: str
    accent: str
    products: tuple[tuple[str, str, str, str, str, int], ...]


SPRING = Look(
    version="1.1",
    tagline="Fresh arrivals for the balcony",
    accent="#15803d",
    products=(
        ("plant-basil", "Basil", "Likes the window sill", "plant", "#22c55e", 490),
        ("chair-garden", "Garden chair", "Folds flat, never rusts", "chair", "#0ea5e9", 7900),
        ("bottle-water", "Water bottle", "Steel, keeps cold for a day", "bottle", "#14b8a6", 2600),
        ("bag-picnic", "Picnic bag", "Fits four plates and a cake", "bag", "#f97316", 6450),
        ("mug-daisy", "Daisy mug", "Hand painted, no two alike", "mug", "#facc15", 1650),
    ),
)

AUTUMN = Look(
    version="1.2",
    tagline="Everything for long evenings",
    accent="#b45309",
    products=(
        ("lamp-amber", "Amber lamp", "A little sunset for indoors", "lamp", "#f59e0b", 6900),
        ("mug-chestnut", "Chestnut mug", "Holds half a litre of tea", "mug", "#92400e", 1790),
        ("book-novel", "A long novel", "812 pages and a ribbon", "book", "#7c2d12", 2400),
        ("chair-reading", "Reading chair", "Wool cover, room for a cat", "chair", "#be123c", 32900),
        ("bottle-cider", "Cider", "From the old orchard, 0.75 l", "bottle", "#ca8a04", 890),
        ("box-gift", "Gift box", "Wrapped, with a card", "box", "#9f1239", 500),
        ("plant-heather", "Heather", "Flowers until the frost", "plant", "#a21caf", 750),
    ),
)

NIGHT = Look(
    version="2.0",
    tagline="The night market is open",
    accent="#4338ca",
    products=(
        ("lamp-moon", "Moon lamp", "Follows the real one", "lamp", "#6366f1", 8900),
        ("clock-night", "Silent clock", "Glows, does not tick", "clock", "#1e293b", 4200),
        ("bag-midnight", "Midnight bag", "Reflects where it matters", "bag", "#3730a3", 9900),
        ("mug-cosmos", "Cosmos mug", "Stars appear when it is hot", "mug", "#7c3aed", 1990),
    ),
)

LOOKS = {"spring": SPRING, "autumn": AUTUMN, "night": NIGHT}


Files = dict[str, bytes]

SHOP = Path(__file__).parent / "shop"
KUSTOMIZE, HELM = SHOP.with_name("kustomize"), SHOP.with_name("helm")
MANIFESTS = "deploy/"
PRODUCT_FIELDS = ("id", "name", "note", "kind", "colour", "cents")
REGISTRY = "ghcr.io"
THEME, SEED, SERVER, DOCKERFILE = "shop/theme.py", "seed/catalogue.json", "shop/server.py", "Dockerfile"


def shop_files(registry: str = REGISTRY) -> Files:
    """The sample shop as it is on the default branch; `registry` is the host of its images."""
    return _read(SHOP, registry)


def kustomize_shop_files(registry: str = REGISTRY) -> Files:
    """The same shop, whose previews are a Kustomize overlay of its production manifests."""
    files = {
        path.replace(MANIFESTS, f"{MANIFESTS}base/") if path.startswith(MANIFESTS) else path: content
        for path, content in shop_files(registry).items()
    }
    return files | _read(KUSTOMIZE, registry)


def helm_shop_files(registry: str = REGISTRY) -> Files:
    """The same shop as a Helm chart."""
    files = shop_files(registry)
    plain = {path: content for path, content in files.items() if not path.startswith(MANIFESTS)}
    return plain | _read(HELM, registry)


def _read(folder: Path, registry: str) -> Files:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    names_images = (path for path in files if path.endswith((".yaml", ".yml")))
    return files | {path: files[path].replace(REGISTRY.encode(), registry.encode()) for path in names_images}


def restyle(files: Mapping[str, bytes], look: Look) -> Files:
    """Another theme and another catalogue."""
    theme = files[THEME].decode()
    for name, value in (("VERSION", look.version), ("TAGLINE", look.tagline), ("ACCENT", look.accent)):
        theme = re.sub(rf"^{name} = .*$", f"{name} = {json.dumps(value)}", theme, flags=re.MULTILINE)
    products = [dict(zip(PRODUCT_FIELDS, product, strict=True)) for product in look.products]
    return {**files, THEME: theme.encode(), SEED: _catalogue(products)}


def broken_seed(files: Mapping[str, bytes]) -> Files:
    """A product without a price: the catalogue rejects the seed and names the product."""
    products = json.loads(files[SEED])
    del products[0]["cents"]
    return {**files, SEED: _catalogue(products)}


def _catalogue(products: Iterable[Mapping[str, object]]) -> bytes:
    """One product to a line, as the file is written, so that a reviewer sees what changed."""
    lines = ",\n".join(f"  {json.dumps(product)}" for product in products)
    return f"[\n{lines}\n]\n".encode()


def broken_start(files: Mapping[str, bytes]) -> Files:
    """The shop crashes when it starts."""
    line = b"from .checkout import pay\n"
    return {**files, SERVER: files[SERVER].replace(b"from .page import", line + b"from .page import")}


def failing_orders(files: Mapping[str, bytes]) -> Files:
    """The shop runs and passes its checks, but each order fails."""
    order, failure = b'return _forward(body, "product", "/orders")', b'raise OSError("the payment is away")'
    return {**files, SERVER: files[SERVER].replace(order, failure)}


def broken_build(files: Mapping[str, bytes]) -> Files:
    """The image cannot be built: the Dockerfile copies what the commit does not have."""
    return {**files, DOCKERFILE: files[DOCKERFILE].replace(b"COPY seed seed", b"COPY assets assets")}


def failing_smoke(files: Mapping[str, bytes]) -> Files:
    """The shop runs, but hides its first product, which the smoke test notices."""
    hidden = files[SERVER].replace(b"render(products,", b"render(products[1:],")
    return {**files, SERVER: hidden}

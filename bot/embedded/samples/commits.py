"""The sample repository as {path: content}, and functions that make the next commit of it.

A commit function takes the files of the parent commit and returns all files of the new one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from bot.embedded.samples.looks import Look

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
    """A product without a price: the catalogue refuses the seed and says which."""
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


def broken_build(files: Mapping[str, bytes]) -> Files:
    """The image cannot be built: the Dockerfile copies what the commit does not have."""
    return {**files, DOCKERFILE: files[DOCKERFILE].replace(b"COPY seed seed", b"COPY assets assets")}


def failing_smoke(files: Mapping[str, bytes]) -> Files:
    """The shop runs, but hides its first product, which the smoke test notices."""
    hidden = files[SERVER].replace(b"render(products,", b"render(products[1:],")
    return {**files, SERVER: hidden}

"""Sample repositories, and commits to them, for the demo and the tests."""

from bot.embedded.samples.commits import (
    AUTUMN,
    LOOKS,
    NIGHT,
    SPRING,
    Files,
    Look,
    broken_build,
    broken_seed,
    broken_start,
    failing_smoke,
    helm_shop_files,
    kustomize_shop_files,
    restyle,
    shop_files,
)

__all__ = [
    "AUTUMN",
    "LOOKS",
    "NIGHT",
    "SPRING",
    "Files",
    "Look",
    "broken_build",
    "broken_seed",
    "broken_start",
    "failing_smoke",
    "helm_shop_files",
    "kustomize_shop_files",
    "restyle",
    "shop_files",
]

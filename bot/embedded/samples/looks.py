"""Looks of the sample shop: what a designer's commit changes, so that two previews visibly differ."""

from __future__ import annotations

from dataclasses import dataclass


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

"""The catalogue page: a pure function of the products, the theme and the release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from . import theme
from .pictures import picture

Product = Mapping[str, object]

PAGE = Template(Path(__file__).with_name("page.html").read_text())
CARD = Template(Path(__file__).with_name("card.html").read_text())


def render(products: Sequence[Product], state: Mapping[str, Any], release: Mapping[str, str]) -> str:
    """The page as HTML. `release` holds what is known of it, e.g. commit and image."""
    orders = state["orders"]
    notes = "".join(f"<li>{escape(note)}</li>" for note in state["notes"])
    cards = "".join(_card(product) for product in products)
    empty = '<p class="empty">The shelves are empty: the catalogue has no seed yet.</p>'
    facts = " · ".join(f"{escape(name)} <code>{escape(value)}</code>" for name, value in release.items())
    return PAGE.substitute(
        name=escape(theme.NAME),
        tagline=escape(theme.TAGLINE),
        accent=theme.ACCENT,
        version=escape(theme.VERSION),
        orders="1 order" if orders == 1 else f"{orders} orders",
        seeded=escape(_seeded(state)),
        notes=f"<ul>{notes}</ul>" if notes else "",
        goods=f'<div class="grid">{cards}</div>' if products else empty,
        release=facts or "Sample shop",
    )


def _seeded(state: Mapping[str, Any]) -> str:
    """The age of the data, which shows whether it was kept or reset."""
    if not state["seedings"]:
        return "Nothing was seeded yet."
    at = f"{datetime.fromisoformat(state['seeded_at']):%d %B, %H:%M:%S} UTC"
    times = "once" if state["seedings"] == 1 else f"{state['seedings']} times, last"
    return f"This data was seeded {times} on {at}. Notes and orders stay until it is reset."


def _card(product: Product) -> str:
    cents = int(str(product["cents"]))
    return CARD.substitute(
        id=escape(str(product["id"])),
        name=escape(str(product["name"])),
        note=escape(str(product["note"])),
        price=f"€ {cents // 100}.{cents % 100:02d}",
        picture=picture(str(product["kind"]), str(product["colour"])),
    )

"""The catalogue page: a pure function of the products, the theme and the release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from string import Template
from typing import Any

from . import theme
from .pictures import picture

Product = Mapping[str, object]

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$name</title>
<style>
:root { --accent: $accent; --ink: #0f172a; --soft: #64748b; }
* { box-sizing: border-box; }
body { margin: 0; background: #f8fafc; color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", sans-serif; }
header { background: var(--accent); color: #fff; padding: 2.2rem 1.5rem 5.5rem; }
.wide { max-width: 68rem; margin: 0 auto; }
.bar { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; }
h1 { margin: 1.6rem 0 0; font-size: clamp(1.8rem, 5vw, 3rem); line-height: 1.1; letter-spacing: -.02em; }
.brand { font-weight: 700; font-size: 1.15rem; margin-right: auto; }
.pill { background: rgb(255 255 255 / .18); border-radius: 99px; padding: .2rem .8rem; font-size: .85rem; }
main { margin-top: -3.6rem; padding: 0 1.5rem; }
.grid { display: grid; gap: 1.4rem; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); }
article { background: #fff; border-radius: 1rem; overflow: hidden; display: flex; flex-direction: column;
  box-shadow: 0 1px 2px rgb(15 23 42 / .08), 0 10px 28px rgb(15 23 42 / .08); transition: transform .15s; }
article:hover { transform: translateY(-3px); }
article svg { display: block; width: 100%; }
.text { padding: 1rem 1.2rem 1.2rem; display: flex; flex-direction: column; flex: 1; }
h2, h3 { margin: 0; font-size: 1.08rem; }
.text p { margin: .2rem 0 1rem; color: var(--soft); font-size: .92rem; flex: 1; }
.buy { display: flex; align-items: center; justify-content: space-between; }
.price { font-weight: 700; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
button { border: 0; border-radius: .6rem; padding: .5rem 1.1rem; font: inherit; font-weight: 600;
  cursor: pointer; color: #fff; background: var(--accent); }
button:hover, button:focus-visible { filter: brightness(1.12); }
.empty { background: #fff; border-radius: 1rem; padding: 3rem; text-align: center; color: var(--soft); }
.book { margin-top: 2.4rem; background: #fff; border-radius: 1rem; padding: 1.4rem 1.6rem;
  box-shadow: 0 1px 2px rgb(15 23 42 / .08); }
.book form { display: flex; gap: .6rem; margin: .8rem 0 0; }
.book input { flex: 1; min-width: 0; font: inherit; padding: .5rem .8rem; border-radius: .6rem;
  border: 1px solid #cbd5e1; }
.book ul { margin: .8rem 0 0; padding: 0; list-style: none; }
.book li { padding: .45rem 0; border-top: 1px solid #e2e8f0; overflow-wrap: anywhere; }
.quiet { color: var(--soft); font-size: .92rem; margin: .2rem 0 0; }
footer { padding: 2.5rem 1.5rem; color: var(--soft); font-size: .82rem; overflow-wrap: anywhere; }
code { font-family: ui-monospace, monospace; }
</style>
</head>
<body>
<header><div class="wide">
<div class="bar"><span class="brand">$name</span>
<span class="pill" id="version">version $version</span><span class="pill" id="orders">$orders</span></div>
<h1>$tagline</h1>
</div></header>
<main><div class="wide">$goods
<section class="book"><h3>Guest book</h3><p class="quiet" id="seeded">$seeded</p>
<form method="post" action="/notes"><input name="text" maxlength="140" required
aria-label="Your note" placeholder="Leave a note for the next reviewer"><button>Write</button></form>
$notes</section></div></main>
<footer><div class="wide">$release</div></footer>
</body>
</html>
""")

CARD = Template("""<article id="$id">$picture
<div class="text"><h2>$name</h2><p>$note</p>
<form class="buy" method="post" action="/orders"><span class="price">$price</span>
<button name="product" value="$id">Buy</button></form></div></article>
""")


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
    """How old the data is, for who wants to see whether it was kept or reset."""
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

"""Product pictures: SVG templates, coloured for the product."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

FOLDER = Path(__file__).with_name("svg")
SHAPES = {path.stem: Template(path.read_text()) for path in FOLDER.glob("*.svg")}


def picture(kind: str, colour: str) -> str:
    """The inline SVG of a product; an unknown kind is drawn as a box."""
    colour = colour if re.fullmatch(r"#[0-9a-fA-F]{6}", colour) else "#64748b"
    return SHAPES.get(kind, SHAPES["box"]).substitute(
        colour=colour,
        light=_mix(colour, 255, 0.45),
        dark=_mix(colour, 0, 0.28),
        background=_mix(colour, 255, 0.86),
        halo=_mix(colour, 255, 0.76),
    )


def _mix(colour: str, towards: int, share: float) -> str:
    parts = (int(colour[index : index + 2], 16) for index in (1, 3, 5))
    return "#" + "".join(f"{round(part + (towards - part) * share):02x}" for part in parts)

"""Product pictures, drawn from a product's kind and colour: no files, no network."""

from __future__ import annotations

import re
from collections.abc import Callable

Shape = Callable[[str, str, str], str]


def picture(kind: str, colour: str) -> str:
    """An inline SVG of a product. An unknown kind is a wrapped box."""
    colour = colour if re.fullmatch(r"#[0-9a-fA-F]{6}", colour) else "#64748b"
    light, dark = _mix(colour, 255, 0.45), _mix(colour, 0, 0.28)
    shape = SHAPES.get(kind, _box)(colour, light, dark)
    return (
        '<svg viewBox="0 0 200 160" role="img" aria-hidden="true">'
        f'<rect width="200" height="160" fill="{_mix(colour, 255, 0.86)}"/>'
        f'<circle cx="152" cy="38" r="60" fill="{_mix(colour, 255, 0.76)}"/>'
        '<ellipse cx="100" cy="137" rx="62" ry="7" fill="#0f172a" opacity=".10"/>'
        f"{shape}</svg>"
    )


def _mix(colour: str, towards: int, share: float) -> str:
    parts = (int(colour[index : index + 2], 16) for index in (1, 3, 5))
    return "#" + "".join(f"{round(part + (towards - part) * share):02x}" for part in parts)


def _mug(colour: str, light: str, dark: str) -> str:
    return (
        f'<path d="M128 74h12a18 18 0 0 1 0 40h-14" fill="none" stroke="{dark}" stroke-width="9"/>'
        f'<path d="M62 60h70v58a18 18 0 0 1-18 18H80a18 18 0 0 1-18-18z" fill="{colour}"/>'
        f'<ellipse cx="97" cy="60" rx="35" ry="8" fill="{dark}"/>'
        f'<path d="M72 76v40" stroke="{light}" stroke-width="6" stroke-linecap="round"/>'
        f'<path d="M86 46c-6-8 6-12 0-20M106 46c-6-8 6-12 0-20" fill="none" stroke="{light}" '
        'stroke-width="4" stroke-linecap="round"/>'
    )


def _lamp(colour: str, light: str, dark: str) -> str:
    return (
        f'<path d="M76 72 44 136h112l-32-64z" fill="{light}" opacity=".45"/>'
        f'<rect x="97" y="66" width="6" height="66" fill="{dark}"/>'
        f'<rect x="74" y="130" width="52" height="7" rx="3.5" fill="{dark}"/>'
        f'<path d="M80 28h40l18 44H62z" fill="{colour}"/>'
        f'<path d="M84 34 73 66" stroke="{light}" stroke-width="5" stroke-linecap="round"/>'
    )


def _plant(colour: str, light: str, dark: str) -> str:
    return (
        f'<path d="M100 96V50" stroke="{dark}" stroke-width="5"/>'
        f'<path d="M100 70C70 74 56 56 56 38c26 0 42 10 44 32z" fill="{colour}"/>'
        f'<path d="M100 82c28 2 46-14 46-36-28 0-44 12-46 36z" fill="{dark}"/>'
        f'<path d="M100 58c-8-16 0-34 10-40 10 14 6 32-10 40z" fill="{light}"/>'
        '<path d="M70 94h60l-8 42H78z" fill="#c2693d"/><path d="M66 90h68v12H66z" fill="#a95730"/>'
    )


def _chair(colour: str, light: str, dark: str) -> str:
    return (
        f'<path d="M74 98 64 136M126 98l10 38M84 98l-4 30M116 98l4 30" stroke="{dark}" stroke-width="6" '
        'stroke-linecap="round"/>'
        f'<rect x="68" y="24" width="64" height="56" rx="14" fill="{colour}"/>'
        f'<rect x="60" y="84" width="80" height="18" rx="9" fill="{dark}"/>'
        f'<path d="M82 38v28" stroke="{light}" stroke-width="6" stroke-linecap="round"/>'
    )


def _book(colour: str, light: str, dark: str) -> str:
    return (
        f'<path d="M58 34a10 10 0 0 1 10-10h70v98H68a10 10 0 0 0-10 10z" fill="{colour}"/>'
        '<path d="M138 122H68a7 7 0 0 0 0 14h70z" fill="#fff"/>'
        f'<path d="M58 132a10 10 0 0 1 10-10h72M62 137h78" fill="none" stroke="{dark}" stroke-width="4"/>'
        f'<rect x="80" y="44" width="42" height="8" rx="4" fill="{light}"/>'
        f'<rect x="80" y="60" width="28" height="6" rx="3" fill="{light}"/>'
    )


def _bag(colour: str, light: str, dark: str) -> str:
    return (
        f'<path d="M80 62V48a20 20 0 0 1 40 0v14" fill="none" stroke="{dark}" stroke-width="6"/>'
        f'<path d="M60 56h80l8 70a10 10 0 0 1-10 10H62a10 10 0 0 1-10-10z" fill="{colour}"/>'
        f'<rect x="72" y="92" width="56" height="30" rx="6" fill="{dark}"/>'
        f'<path d="M66 68l-4 44" stroke="{light}" stroke-width="5" stroke-linecap="round"/>'
    )


def _clock(colour: str, light: str, dark: str) -> str:
    return (
        f'<path d="M72 126l-8 11M128 126l8 11" stroke="{dark}" stroke-width="8" stroke-linecap="round"/>'
        f'<circle cx="100" cy="80" r="54" fill="{colour}"/><circle cx="100" cy="80" r="42" fill="#fff"/>'
        f'<path d="M100 80V52M100 80l20 12" stroke="{dark}" stroke-width="6" stroke-linecap="round"/>'
        f'<path d="M100 44v5M100 111v5M64 80h5M131 80h5" stroke="{light}" stroke-width="4"/>'
        f'<circle cx="100" cy="80" r="5" fill="{dark}"/>'
    )


def _bottle(colour: str, light: str, dark: str) -> str:
    return (
        f'<rect x="88" y="16" width="24" height="18" rx="4" fill="{dark}"/>'
        f'<path fill="{colour}" '
        'd="M91 34h18v14c0 10 19 12 19 32v46a10 10 0 0 1-10 10H82a10 10 0 0 1-10-10V80c0-20 19-22 19-32z"/>'
        '<rect x="72" y="86" width="56" height="30" fill="#fff" opacity=".85"/>'
        f'<path d="M82 72c2-6 8-9 11-14" fill="none" stroke="{light}" stroke-width="5"/>'
        f'<path d="M84 97h32M84 106h20" stroke="{dark}" stroke-width="4" stroke-linecap="round"/>'
    )


def _box(colour: str, light: str, dark: str) -> str:
    return (
        f'<rect x="56" y="66" width="88" height="70" rx="6" fill="{colour}"/>'
        f'<rect x="50" y="50" width="100" height="22" rx="6" fill="{dark}"/>'
        f'<rect x="93" y="50" width="14" height="86" fill="{light}"/>'
        f'<path fill="{light}" '
        'd="M100 50C76 50 72 26 86 26c10 0 14 14 14 24 0-10 4-24 14-24 14 0 10 24-14 24z"/>'
    )


SHAPES: dict[str, Shape] = {
    "mug": _mug,
    "lamp": _lamp,
    "plant": _plant,
    "chair": _chair,
    "book": _book,
    "bag": _bag,
    "clock": _clock,
    "bottle": _bottle,
    "box": _box,
}

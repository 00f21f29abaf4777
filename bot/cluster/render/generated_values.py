"""Generated values of an environment: kept from what runs there, otherwise those of the rendering. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bot.cluster.render.texts import (
    BASE64,
    PLACEHOLDER,
    decoded,
    encode,
    encoded,
    is_value,
    printable,
    strings,
    with_texts,
)
from bot.config.documents import Path
from bot.model.manifest import Bundle, FilledBundle, Manifest

Live = Mapping[tuple[str, str], Manifest]
"""The objects of the environment on the cluster, by kind and name."""


def needed(bundle: Bundle) -> list[Manifest]:
    """The objects that contain generated values, Secrets first."""
    objects = [manifest for wave in bundle.waves.values() for manifest in wave]
    if not bundle.generated:
        return []
    generated = [manifest for manifest in objects if any(True for _ in templates(manifest))]
    return sorted(
        generated, key=lambda manifest: (manifest["kind"] != "Secret", manifest["kind"] != "ConfigMap")
    )


def fill(bundle: Bundle, live: Live) -> FilledBundle:
    """The bundle with a value for each placeholder, and the values that Secrets contain.

    A value that the environment already has is kept everywhere, in new fields as well.
    """
    values: dict[str, str] = {}
    secret: set[str] = set()
    for manifest in needed(bundle):
        current = live.get((manifest["kind"], manifest["metadata"]["name"]))
        for path, template in templates(manifest):
            if manifest["kind"] == "Secret":
                secret |= {match for text in _expanded(template) for match in PLACEHOLDER.findall(text)}
            place = live_text(current, path) if current is not None else None
            if place is not None:
                values = {**captured(template, place[1]), **values}
    values = {**bundle.generated, **values}

    def filled(objects: Sequence[Manifest]) -> tuple[Manifest, ...]:
        return tuple(_filled(manifest, values) for manifest in objects)

    waves = {wave: filled(objects) for wave, objects in bundle.waves.items()}
    checks = {name: _filled(job, values) for name, job in bundle.checks.items()}
    hidden = frozenset(values[placeholder] for placeholder in secret if placeholder in values)
    return FilledBundle(replace(bundle, waves=waves, checks=checks), hidden)


def _filled(manifest: Manifest, values: Mapping[str, str]) -> Manifest:
    texts = {
        path: encoded(manifest["kind"], path, substituted(template, values))
        for path, template in templates(manifest)
    }
    filled: Manifest = with_texts(manifest, texts) if texts else manifest
    return filled


def templates(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """The decoded values of an object that contain placeholders."""
    for path, text in strings(manifest):
        if is_value(manifest["kind"], path):
            plain = decoded(manifest["kind"], path, text)
            if plain is not None and any(PLACEHOLDER.search(inner) for inner in _expanded(plain)):
                yield path, plain


def _expanded(text: str) -> Iterator[str]:
    """The text, and what its words encode as base64."""
    yield text
    for word in BASE64.findall(text):
        inner = printable(word)
        if inner is not None and PLACEHOLDER.search(inner):
            yield inner


def substituted(text: str, values: Mapping[str, str]) -> str:
    def replaced(match: re.Match[str]) -> str:
        inner = printable(match[0])
        return (
            match[0] if inner is None or not PLACEHOLDER.search(inner) else encode(substituted(inner, values))
        )

    text = BASE64.sub(replaced, text)
    return PLACEHOLDER.sub(lambda match: values.get(match[0], match[0]), text)


def live_text(current: Manifest, path: Path) -> tuple[Path, str] | None:
    """The decoded value at the path of a live object; a Secret's `stringData` is in its `data`."""
    kind = current["kind"]
    path = ("data", *path[1:]) if kind == "Secret" else path
    value: object = current
    for part in path:
        try:
            value = value[part]  # type: ignore[index]  # of any type: the errors are caught
        except (KeyError, IndexError, TypeError):
            return None
    text = decoded(kind, path, value) if isinstance(value, str) else None
    return (path, text) if text is not None else None


def captured(template: str, text: str) -> dict[str, str]:
    """The values of the template's placeholders in a text; line by line if other lines changed."""
    captured = _match(template, text)
    if captured is None:
        lines = text.split("\n")
        captured = {}
        for line in template.split("\n"):
            matches = (_match(line, other) for other in lines) if PLACEHOLDER.sub("", line).strip() else ()
            captured |= next((match for match in matches if match is not None), {})
    return captured


def _match(template: str, text: str) -> dict[str, str] | None:
    """The values of the placeholders if the text has the template's constant parts, else None."""
    tokens = list(_tokens(template))
    starts = [0, *(token.end() for token in tokens)]
    ends = [*(token.start() for token in tokens), len(template)]
    constants = [template[start:end] for start, end in zip(starts, ends, strict=True)]
    if not text.startswith(constants[0]):
        return None
    captured: dict[str, str] = {}
    position = len(constants[0])
    for token, constant in zip(tokens, constants[1:], strict=True):
        last = token is tokens[-1]
        end = len(text) - len(constant) if last else text.find(constant, position + 1)
        inside = _captured_by(token[0], text[position:end]) if end > position else None
        if inside is None or (last and not text.endswith(constant)):
            return None
        if any(captured.setdefault(name, value) != value for name, value in inside.items()):
            return None
        position = end + len(constant)
    return captured if tokens else None


def _tokens(template: str) -> Iterator[re.Match[str]]:
    """Placeholders, and words that encode some as base64, in their order."""
    words = (match for match in BASE64.finditer(template) if PLACEHOLDER.search(printable(match[0]) or ""))
    yield from sorted([*PLACEHOLDER.finditer(template), *words], key=lambda match: match.start())


def _captured_by(token: str, text: str) -> dict[str, str] | None:
    if PLACEHOLDER.fullmatch(token):
        return {token: text}
    inner = printable(text)
    return _match(printable(token) or "", inner) if inner is not None else None

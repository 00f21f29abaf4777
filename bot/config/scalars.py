"""YAML scalars as Kubernetes' YAML library resolves them; PyYAML differs in octals, dates and `1:30`."""

from __future__ import annotations

import math
import re

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*|0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAX_NUMBER_LENGTH = 100
_TAG = "tag:yaml.org,2002:"
_TYPES: dict[str, tuple[type, ...]] = {
    f"{_TAG}int": (int,),
    f"{_TAG}float": (int, float),
    f"{_TAG}bool": (bool,),
    f"{_TAG}null": (type(None),),
}

Scalar = str | int | float | bool | None


def scalar(text: str, tag: str | None, plain: bool) -> Scalar:
    """The value of a scalar; `plain` means unquoted. Raises ValueError with the problem."""
    if tag in ("!", f"{_TAG}str"):
        return text
    if tag is not None:
        return _resolve_tagged(text, tag)
    return _resolve(text) if plain else text


def _resolve_tagged(text: str, tag: str) -> Scalar:
    value = _resolve(text)
    if tag not in _TYPES:
        raise ValueError(f"the tag {tag.removeprefix(_TAG)!r} is not supported")
    if not isinstance(value, _TYPES[tag]):
        raise ValueError(f"the value does not match its tag {tag.removeprefix(_TAG)!r}")
    return value


def _resolve(text: str) -> Scalar:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if len(text) > _MAX_NUMBER_LENGTH:
        return text
    if _INTEGER.fullmatch(text):
        return _integer(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return _finite(text)
    if _NOT_JSON.fullmatch(text):
        raise ValueError("a number must be finite")
    return text


def _integer(text: str) -> int | float | str:
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    try:
        value = int(text, 8 if octal else 0)
    except ValueError:
        return text
    return value if -(2**63) <= value < 2**64 else _finite(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number must be finite")
    return value

"""YAML scalars as kubectl and Helm resolve them: by YAML 1.1 with the exceptions of sigs.k8s.io/yaml."""

from __future__ import annotations

import math
import re
import struct

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"), False),
}
_DATE = re.compile(r"[0-9]{4}-[0-9]")
_INTEGER = re.compile(r"([-+]?)(?:0[bB]([01]+)|0[oO]?([0-7]+)|0[xX]([0-9a-fA-F]+)|([0-9]+))")
_BASES = (2, 8, 16, 10)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_UNDERSCORE = re.compile(r"(?<=[0-9])_(?=[0-9])")
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


def key_text(value: str | int | float | bool) -> str:
    """The text of a key. Numbers are formatted as 32-bit floats in Go: `1.0` is `1`, `1e6` is `1e+06`."""
    if isinstance(value, bool):
        return str(value).lower()
    return _shortest(value) if isinstance(value, float) else str(value)


def json_number(value: float) -> int | float:
    """A whole number without a fraction, since Kubernetes reads `3.0` as the integer 3."""
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


class NumberError(ValueError):
    """A number of a JSON text that Kubernetes cannot represent."""

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(problem)
        self.text = text


def json_integer(text: str) -> int:
    """An integer of 64 bits. Raises NumberError."""
    if len(text) > _MAX_NUMBER_LENGTH or not -(2**63) <= (number := int(text)) < 2**64:
        raise NumberError(text, "an integer must have at most 64 bits")
    return number


def json_float(text: str) -> float:
    """A finite number. Raises NumberError."""
    if math.isinf(number := float(text)):
        raise NumberError(text, "a number must be finite")
    return number


def _resolve_tagged(text: str, tag: str) -> Scalar:
    if tag not in _TYPES:
        raise ValueError(f"the tag {tag.removeprefix(_TAG)!r} is not supported")
    value = _resolve(text)
    if type(value) not in _TYPES[tag]:
        raise ValueError(f"the value does not match its tag {tag.removeprefix(_TAG)!r}")
    return value


def _resolve(text: str) -> Scalar:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _NOT_JSON.fullmatch(text):
        raise ValueError("a number must be finite")
    if len(text) > _MAX_NUMBER_LENGTH or text[0] not in "+-.0123456789" or _DATE.match(text):
        return text
    digits = _UNDERSCORE.sub("", text) if text[0] == "." else text.replace("_", "")
    number: int | float | None = _integer(digits)
    if number is None and _FLOAT.fullmatch(digits):
        number = float(digits)
    return text if number is None or math.isinf(number) else number


def _integer(digits: str) -> int | None:
    """None for other texts, and for integers of more than 64 bits."""
    if digits.isascii() and digits.isdigit() and digits[0] != "0":  # most are, and the others take longer
        return number if (number := int(digits)) < 2**64 else None
    match = _INTEGER.fullmatch(digits)
    if match is None:
        return None
    sign, *groups = match.groups()
    value, base = next((group, base) for group, base in zip(groups, _BASES, strict=True) if group)
    if base == 10 and value[0] == "0" and len(value) > 1:
        return None  # not octal, such as 08
    number = int(f"{sign}{value}", base)
    return number if -(2**63) <= number < (2**63 if sign else 2**64) else None


def _shortest(value: float) -> str:
    """The shortest decimal text that is the same 32-bit float, as Go's format `g` writes it."""
    packed = struct.pack("f", value)
    (rounded,) = struct.unpack("f", packed)
    if math.isinf(rounded):
        return ".inf" if value > 0 else "-.inf"
    texts = (f"{rounded:.{precision}e}" for precision in range(9))
    text = next(text for text in texts if struct.pack("f", float(text)) == packed)
    mantissa, _, exponent = text.partition("e")
    decimals = max(len(mantissa.lstrip("-").replace(".", "")) - 1 - int(exponent), 0)
    return f"{rounded:.{decimals}f}" if -5 < int(exponent) < 6 else text

"""Resource quantities: reading them, and writing them the canonical way."""

import re
from decimal import ROUND_UP, Decimal
from functools import lru_cache
from typing import Any

_PATTERN = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(m|u|n|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?$")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARY.items()}
_SMALLEST = Decimal(10) ** -9


@lru_cache(maxsize=4096)
def _read(text: str) -> tuple[Decimal, str]:
    """The amount and its suffix; ValueError in the words of Kubernetes."""
    match = _PATTERN.match(text)
    if match is None:
        pattern = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
        raise ValueError(f"quantities must match the regular expression '{pattern}'")
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _BINARY:
        return number * 1024 ** _BINARY[suffix], suffix
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix]), suffix
    return number.scaleb(int(suffix[1:])), suffix


def amount(value: Any) -> Decimal:
    """The plain number that a quantity such as `500m`, `1Gi` or `2` stands for."""
    return _read(str(value))[0]


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    number, suffix = _read(text)
    number = number.quantize(_SMALLEST, rounding=ROUND_UP) if number != number.to_integral_value() else number
    if suffix in _BINARY:
        return format_binary(number)
    if suffix[:1] in {"e", "E"} and len(suffix) > 1:
        return _exponent(number)
    return format_decimal(number)


def canonical(value: Any) -> str:
    """The form in which Kubernetes stores a quantity: `0.5` is `500m`, `1024Mi` is `1Gi`."""
    return _canonical(str(value))


def _power(number: Decimal, lowest: int) -> int:
    """The largest multiple of three that leaves `number` whole, from `lowest` to 18."""
    power = lowest
    while power < 18 and number.scaleb(-(power + 3)) == number.scaleb(-(power + 3)).to_integral_value():
        power += 3
    return power


def format_decimal(number: Decimal) -> str:
    if number == 0:
        return "0"
    power = _power(number, -9)
    return f"{int(number.scaleb(-power))}{_DECIMAL_SUFFIX[power]}"


def _exponent(number: Decimal) -> str:
    if number == 0:
        return "0"
    power = _power(number, -9)
    return f"{int(number.scaleb(-power))}" + (f"e{power}" if power else "")


def format_binary(number: Decimal) -> str:
    if number == 0 or abs(number) < 1024 or number != number.to_integral_value():
        return format_decimal(number)
    whole, power = int(number), 0
    while power < 6 and whole % 1024 == 0:
        whole, power = whole // 1024, power + 1
    return f"{whole}{_BINARY_SUFFIX.get(power, '')}"

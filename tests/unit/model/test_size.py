"""Quantities as Kubernetes writes them."""

from fractions import Fraction

import pytest

from bot.model.size import Size, parse_quantity


@pytest.mark.parametrize(
    ("quantity", "count"),
    [("500m", Fraction(1, 2)), ("0.5", Fraction(1, 2)), ("2", 2), ("1k", 1000), ("1.5Gi", 3 * 2**29)],
)
def test_parse_quantity(quantity: str, count: Fraction) -> None:
    assert parse_quantity(quantity) == count


@pytest.mark.parametrize("text", ["", "lots", "-1", "1e3", "1 Gi", "1gi", ".5", "0x10"])
def test_parse_quantity_rejects_other_texts(text: str) -> None:
    with pytest.raises(ValueError, match="expected a quantity"):
        parse_quantity(text)
    with pytest.raises(ValueError, match="expected a quantity"):
        Size(memory=text)


def test_size_is_capped_by_another() -> None:
    assert Size("8", "1Gi", "5Gi", "100").within(Size("4", "1024Mi", "10Gi", "40")) == Size(
        "4", "1Gi", "5Gi", "40"
    )

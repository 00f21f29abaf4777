"""Quantities as Kubernetes writes them."""

from decimal import localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils import quantity as kubernetes

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


@given(
    st.from_regex(
        r"[0-9]{1,12}(\.[0-9]{1,9})?(m|k|Ki|M|Mi|G|Gi|T|Ti)?", fullmatch=True, alphabet="0123456789.mkiKMGT"
    )
)
def test_quantity_has_the_value_that_kubernetes_reads(text: str) -> None:
    assert parse_quantity(text) == _as_kubernetes_reads(text)


@given(st.text("0123456789.+-eEmunkiKMGTPE ", max_size=8))
def test_quantity_that_kubernetes_rejects_is_rejected(text: str) -> None:
    try:
        value = parse_quantity(text)
    except ValueError:
        return
    assert value == _as_kubernetes_reads(text)


def _as_kubernetes_reads(text: str) -> Fraction:
    with localcontext(prec=60):  # the default of 28 digits rounds
        return Fraction(kubernetes.parse_quantity(text))


def test_size_is_capped_by_another() -> None:
    assert Size("8", "1Gi", "5Gi", "100").within(Size("4", "1024Mi", "10Gi", "40")) == Size(
        "4", "1Gi", "5Gi", "40"
    )

"""The generated tables in the documentation are current: packages, command line, metrics."""

from __future__ import annotations

import pytest

from tests.unit.project import generated


@pytest.mark.parametrize("page", generated.TABLES)
def test_table_is_current(page: str) -> None:
    assert generated.current(page) == generated.generated(page), "run `make tables`"


def test_schema_of_the_charts_values_has_every_setting() -> None:
    assert generated.current(generated.VALUES_SCHEMA) == generated.values_schema(), "run `make tables`"

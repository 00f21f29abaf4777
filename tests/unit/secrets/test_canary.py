"""The search for secrets finds one that is planted in any place, and notices a place that it did not read."""

from __future__ import annotations

import base64
import json

import pytest

from tests.story.disclosure import CONTROLS, assert_in_none

VALUE = 'a "secret" in lines\nand words'
FORMS = [VALUE.encode(), base64.b64encode(VALUE.encode()), json.dumps({"key": VALUE}).encode()]


def test_nothing_is_found_where_nothing_is() -> None:
    assert_in_none(CONTROLS, VALUE)


@pytest.mark.parametrize("place", CONTROLS)
@pytest.mark.parametrize("form", FORMS)
def test_planted_value_is_found(place: str, form: bytes) -> None:
    with pytest.raises(AssertionError, match=place):
        assert_in_none({**CONTROLS, place: CONTROLS[place] + b" " + form}, VALUE)


@pytest.mark.parametrize("place", CONTROLS)
def test_place_that_was_not_read_is_noticed(place: str) -> None:
    with pytest.raises(AssertionError, match=f"{place} was not read"):
        assert_in_none({**CONTROLS, place: b""}, VALUE)

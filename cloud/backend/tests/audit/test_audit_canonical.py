from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coditect_cloud.audit.canonical import MOST, NotCanonical, canonical, plain

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-MOST, MOST) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Colour(StrEnum):
    RED = "red"


@given(values)
def test_a_value_survives_its_canonical_form(value: Any) -> None:
    try:
        written = canonical(value)
    except NotCanonical:
        assert plain(value) != value
        return
    assert json.loads(written) == value
    assert canonical(json.loads(written)) == written


@given(st.dictionaries(st.text(), st.integers(0, 9), max_size=6))
def test_the_order_of_keys_changes_nothing(value: dict[str, int]) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical(plain(value)) == canonical(plain(turned))


def test_keys_are_ordered_by_utf16_units_as_the_standard_says() -> None:
    assert canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize("value", [1.5, MOST + 1, {1: 2}, "\ud800", b"x", float("nan")])
def test_what_has_no_one_form_is_refused(value: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


def test_nesting_without_end_is_refused_not_a_crash() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NotCanonical):
        canonical(deep)


@given(st.recursive(st.floats() | st.integers() | st.text() | st.binary(), st.lists, max_leaves=5))
def test_anything_can_be_made_plain(value: Any) -> None:
    canonical(plain(value))


def test_plain_keeps_the_meaning() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert plain({"c": Colour.RED, "f": 3.0, "g": 0.5, "at": at, "s": {"b", "a"}, "n": None}) == {
        "c": "red",
        "f": 3,
        "g": "0.5",
        "at": "2026-01-02T00:00:00+00:00",
        "s": ["a", "b"],
        "n": None,
    }
    assert plain((10**20, "\ud800")) == [str(10**20), "?"]

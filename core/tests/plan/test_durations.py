"""Durations as people write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.plan import (
    DurationError,
    Effort,
    format_duration,
    format_effort,
    parse_duration,
    parse_effort,
)

HOUR = 3600
SECONDS = st.integers(1, 100_000 * HOUR)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("45m", 45 * 60),
        ("3h", 3 * HOUR),
        ("2d", 16 * HOUR),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("3 h", 3 * HOUR),
        ("1d2h3m4s", 10 * HOUR + 184),
        ("1.5h", 5400),
        ("0.25d", 2 * HOUR),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str, seconds: int) -> None:
    assert parse_duration(text, 8) == seconds


def test_a_day_has_the_hours_of_the_calendar() -> None:
    assert parse_duration("2d", 6) == 12 * HOUR
    assert parse_effort("1d..2d..3d", 5) == Effort(5 * HOUR, 10 * HOUR, 15 * HOUR)


@pytest.mark.parametrize(
    ("text", "word", "offset"),
    [
        ("", "missing", 0),
        ("3", "no unit", 0),
        ("1.5", "no unit", 0),
        ("soon", "not a duration", 0),
        ("-3h", "negative", 0),
        ("0h", "no time", 0),
        ("0.0001s", "whole number", 0),
        ("30m1h", "larger to smaller", 4),
        ("1h1h", "larger to smaller", 3),
        ("2w", "weeks", 1),
        ("3H", "`h`", 1),
        ("3hours", "`h`", 1),
        ("3mo", "not one of", 1),
        ("3x", "not one of", 1),
        ("1h, 30m", "not a duration", 2),
        ("100001h", "100,000 hours", 0),
        ("999999999d", "100,000 hours", 0),
        ("٣h", "not a duration", 0),
    ],
)
def test_what_is_no_duration_is_refused_with_its_reason(text: str, word: str, offset: int) -> None:
    with pytest.raises(DurationError) as caught:
        parse_duration(text)
    assert word in caught.value.message
    assert caught.value.hint
    assert caught.value.offset == offset


def test_zero_is_a_duration_only_where_it_is_allowed() -> None:
    assert parse_duration("0h", zero=True) == 0


@pytest.mark.parametrize(
    ("text", "word", "offset"),
    [
        ("2h..3h", "one or three", 0),
        ("1h..2h..3h..4h", "one or three", 0),
        ("3h..2h..6h", "not in order", 0),
        ("2h..6h..3h", "not in order", 0),
        ("2h..x..6h", "not a duration", 4),
        ("2h.. 0h..6h", "no time", 5),
        ("2h..3h..6", "no unit", 8),
    ],
)
def test_an_estimate_that_is_none_is_refused_at_the_figure(
    text: str, word: str, offset: int
) -> None:
    with pytest.raises(DurationError) as caught:
        parse_effort(text)
    assert word in caught.value.message
    assert caught.value.offset == offset


@settings(deadline=None)
@given(SECONDS, st.integers(1, 24), st.booleans())
def test_a_duration_survives_being_written_and_read(seconds: int, day: int, days: bool) -> None:
    assert parse_duration(format_duration(seconds, day if days else None), day) == seconds


@settings(deadline=None)
@given(st.lists(SECONDS, min_size=3, max_size=3).map(sorted), st.integers(1, 24))
def test_an_effort_survives_being_written_and_read(figures: list[int], day: int) -> None:
    effort = Effort(*figures)
    assert parse_effort(format_effort(effort, day), day) == effort


def test_no_time_is_written_with_a_unit() -> None:
    assert format_duration(0) == "0s"


@settings(deadline=None)
@given(st.text(alphabet="0123456789dhms. -", max_size=12) | st.text(max_size=8))
def test_any_text_is_read_or_refused(text: str) -> None:
    trouble = None
    try:
        seconds = parse_duration(text)
    except DurationError as caught:
        trouble = caught
    if trouble is None:
        assert 0 < seconds <= 100_000 * HOUR
    else:
        assert trouble.message
        assert 0 <= trouble.offset <= len(text)

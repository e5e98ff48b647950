"""Many claims against each other: the index finds what comparing all pairs would."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.paths import Language, Overlap, Witness, find_overlaps, overlap

TEXTS = [
    *("a", "A", "a/b", "a/b/c", "a/", "A/b/", "a/b*", "a/?", "ab/", "ab*", "b/**/x", "**/x", "*"),
    *("b/[x-z]", "b/y/{x,z}", "é/", "É/x", "**", "c", "c/d{e,f/}", "C/de"),
]
languages = st.builds(
    lambda patterns, excepts: Language.of(*patterns, excepts=excepts),
    st.lists(st.sampled_from(TEXTS), max_size=3),
    st.lists(st.sampled_from(TEXTS), max_size=1),
)
claims = st.lists(st.tuples(st.sampled_from(["core", "docs"]), languages), max_size=12)


def everybody(count: int) -> Callable[[int], int]:
    return lambda _: (1 << count) - 1


@settings(deadline=None, max_examples=300)
@given(claims, st.data())
def test_the_index_finds_what_comparing_all_pairs_finds(
    claimed: list[tuple[str, Language]], data: st.DataObject
) -> None:
    count = len(claimed)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    rivals = set(data.draw(st.lists(st.sampled_from(pairs), unique=True))) if pairs else set()
    rows = [0] * count
    for i, j in rivals:
        rows[i] |= 1 << j
        rows[j] |= 1 << i
    result = find_overlaps(claimed, rows.__getitem__, limit=1000)
    assert not result.truncated
    assert [(found.first, found.second) for found in result.found] == [
        (i, j)
        for i, j in pairs
        if (i, j) in rivals
        and claimed[i][0] == claimed[j][0]
        and overlap(claimed[i][1], claimed[j][1]) is not None
    ]
    for found in result.found:
        assert found.witness.certain
        assert claimed[found.first][1].matches(found.witness.left)
        assert claimed[found.second][1].matches(found.witness.right)


@settings(deadline=None, max_examples=100)
@given(claims, st.integers(0, 5))
def test_a_limit_is_kept_and_said(claimed: list[tuple[str, Language]], limit: int) -> None:
    rivals = everybody(len(claimed))
    everything = find_overlaps(claimed, rivals, limit=1000)
    some = find_overlaps(claimed, rivals, limit=limit)
    assert len(some.found) == min(limit, len(everything.found))
    assert set(some.found) <= set(everything.found)
    assert some.truncated == (len(everything.found) > limit)


def test_a_witness_is_turned_to_the_order_of_positions() -> None:
    claimed = [("r", Language.of("a/b")), ("r", Language.of("A"))]
    (found,) = find_overlaps(claimed, everybody(2), limit=9).found
    assert found == Overlap(0, 1, Witness("a/b", "A"))
    (found,) = find_overlaps(claimed[::-1], everybody(2), limit=9).found
    assert found == Overlap(0, 1, Witness("A", "a/b"))
    claimed.append(("r", Language.of("a/b")))
    assert find_overlaps(claimed, everybody(3), limit=9).found == (
        Overlap(0, 1, Witness("a/b", "A")),
        Overlap(0, 2, Witness("a/b", "a/b")),
        Overlap(1, 2, Witness("A", "a/b")),
    )


def test_no_claims_do_not_collide() -> None:
    assert find_overlaps([], everybody(0), limit=5).found == ()
    assert find_overlaps([("r", Language(()))] * 3, everybody(3), limit=5).found == ()


def test_with_a_limit_every_pair_of_languages_is_shown_before_one_is_shown_twice() -> None:
    shared = Language.of("shared/**")
    claimed = [("r", shared)] * 50 + [("r", Language.of("x/a")), ("r", Language.of("x/*"))]
    result = find_overlaps(claimed, everybody(52), limit=2)
    assert result.truncated
    assert [(found.first, found.second) for found in result.found] == [(0, 1), (50, 51)]


@pytest.mark.parametrize("languages_differ", [False, True])
def test_thousands_that_are_in_order_among_themselves_cost_nothing(languages_differ: bool) -> None:
    count = 6000
    claimed = [
        ("r", Language.of("src/**", f"src/*/{number % 40 if languages_differ else 0}*"))
        for number in range(count)
    ]
    asked = []

    def nobody(position: int) -> int:
        asked.append(position)
        return 1 << position

    start = time.perf_counter()
    assert find_overlaps(claimed, nobody, limit=5).found == ()
    assert len(asked) <= 2 * count
    assert time.perf_counter() - start < 5


def test_claims_in_folders_of_their_own_cost_nothing() -> None:
    count = 10_000
    claimed = [("r", Language.of(f"s{number}/a/**", f"t{number}.md")) for number in range(count)]
    claimed.append(("r", Language.of("S7/A/b/*")))
    start = time.perf_counter()
    result = find_overlaps(claimed, everybody(count + 1), limit=9)
    assert time.perf_counter() - start < 5
    assert [(found.first, found.second) for found in result.found] == [(7, count)]

"""When file systems confuse characters, and the sets of characters that follow from it."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.paths import fold
from coditect.paths.admissible import BARE, FREE, advance, is_name, is_special
from coditect.paths.charset import (
    ANY,
    CharSet,
    char_set,
    closed,
    meet,
    readable,
    representative,
    single,
    torn,
)
from coditect.paths.folding import families, fold_char


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("README.md", "readme.MD"),
        ("cafe\u0301", "CAFÉ"),
        ("ΣΑΣ", "σας"),
        ("ẞ", "ß"),
        ("\u212a", "K"),
        ("ſ", "S"),
        ("Ǆ", "ǅ"),
    ],
)
def test_spellings_of_one_path_fold_to_the_same(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("ß", "ss"), ("a", "á"), ("a", "b"), ("ﬁ", "fi")])
def test_different_paths_fold_to_different_ones(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_folding_goes_one_to_one_and_comes_to_rest() -> None:
    for code in range(sys.maxunicode + 1):
        folded = fold_char(chr(code))
        assert len(folded) == 1
        assert fold_char(folded) == folded


def test_families_are_all_that_folds_to_the_same() -> None:
    expected: dict[str, set[str]] = {}
    for char in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.is_normalized("NFC", char):
            expected.setdefault(fold_char(char), set()).add(char)
    expected = {folded: members for folded, members in expected.items() if len(members) > 1}
    assert {folded: set(members) for folded, members in families().items()} == expected


def test_a_family_agrees_on_what_is_a_name() -> None:
    for members in families().values():
        for state in (BARE, ".", "..", ".g", ".gi", ".git", "g", "gi", "git", "git~", FREE):
            assert len({advance(state, member) for member in members}) == 1


# Sets of characters, against sets of Python over a few code points.

CODES = [ord(char) for char in "!/09:AKZ[akz~é"] + [0x17F, 0x1E9E, 0x10FFFF]
ranges = st.lists(
    st.tuples(st.sampled_from(CODES), st.sampled_from(CODES)).map(lambda pair: tuple(sorted(pair))),
    min_size=1,
    max_size=3,
)
PROBES = [chr(code) for code in range(0x250)] + ["ẞ", "\u2123", "\U0010fffe", "\U0010ffff"]


def probes(chars: CharSet) -> set[str]:
    return {char for char in PROBES if char in chars}


@settings(deadline=None, max_examples=200)
@given(ranges, st.booleans())
def test_a_set_holds_what_was_named_or_all_else(pairs: list[tuple[int, int]], no: bool) -> None:
    if not no and set(pairs) == {(ord("/"), ord("/"))}:
        return
    named = {char for char in PROBES if any(low <= ord(char) <= high for low, high in pairs)}
    wanted = (set(PROBES) - named if no else named) - {"/"}
    chars = char_set(pairs, negated=no)
    assert probes(chars) == wanted
    assert representative(chars) in chars


@settings(deadline=None, max_examples=300)
@given(st.lists(ranges, min_size=2, max_size=2), st.booleans(), st.booleans())
def test_two_sets_meet_if_some_members_fold_to_the_same(
    pairs: list[list[tuple[int, int]]], negate_one: bool, negate_other: bool
) -> None:
    if any(set(each) == {(ord("/"), ord("/"))} for each in pairs):
        return
    one, other = char_set(pairs[0], negated=negate_one), char_set(pairs[1], negated=negate_other)
    met = meet(one, other)
    alike = {fold(char) for char in probes(one)} & {fold(char) for char in probes(other)}
    if met is None:
        assert not alike
        return
    assert met[0] in one
    assert met[1] in other
    assert fold(met[0]) == fold(met[1])
    if probes(one) & probes(other):
        assert met[0] == met[1]


def test_a_family_is_torn_by_a_set_that_holds_part_of_it() -> None:
    assert torn(single("k")) == ("k",)
    assert torn(single("_")) == ()
    assert set(torn(char_set([(ord("a"), ord("c"))]))) == {"a", "b", "c"}
    assert torn(ANY) == ()
    assert probes(closed(char_set([(ord("Y"), ord("Z"))]))) == set("YZyz")
    assert closed(ANY) is ANY


@pytest.mark.parametrize(
    ("first", "last", "char"),
    [
        (0, 0x10FFFF, "a"),
        (ord("B"), ord("Z"), "B"),
        (ord("g"), ord("h"), "h"),
        (ord("g"), ord("g"), "g"),
        (ord("."), ord("0"), "0"),
        (0x20, 0x2D, "-"),
        (0x300, 0x3FF, "ͱ"),
        (0x200C, 0x2010, "‐"),
    ],
)
def test_a_character_that_reads_well_stands_for_a_range(first: int, last: int, char: str) -> None:
    assert readable(first, last)[1] == char


def test_a_special_character_stands_only_for_its_like() -> None:
    special = [code for code in range(0x10000) if is_special(chr(code))]
    for first in special:
        for last in special:
            chosen = readable(first, last)[1] if first <= last else ""
            if chosen and is_special(chosen):
                assert all(is_special(chr(code)) for code in range(first, last + 1))
                behaviours = {
                    tuple(
                        is_name(advance(state, chr(code))) for state in (BARE, ".", ".git", "git~")
                    )
                    for code in range(first, last + 1)
                }
                assert len(behaviours) == 1

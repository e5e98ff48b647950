"""The matcher and the proofs against a naive reading of patterns, over all short paths."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.paths import Language, PatternError, outside, overlap, parse_pattern

# The naive reading, written apart from the product: slow, and easy to believe.

CHARS = "aAéÉ_."
NAMES = [
    name
    for length in (1, 2)
    for name in map("".join, product(CHARS, repeat=length))
    if name not in (".", "..")
]
SHORT = [name for name in NAMES if len(name) == 1]
PATHS = [
    *NAMES,
    *map("/".join, product(SHORT, NAMES)),
    *map("/".join, product((name for name in NAMES if len(name) == 2), SHORT)),
    *map("/".join, product(SHORT, repeat=3)),
]


def folded(path: str) -> str:
    return path.lower()


def spelled_out(text: str) -> Iterator[str]:
    """Write out braces, the first innermost pair first."""
    if "}" not in text:
        yield text
        return
    end = text.index("}")
    start = text.rindex("{", 0, end)
    for choice in text[start + 1 : end].split(","):
        yield from spelled_out(text[:start] + choice + text[end + 1 :])


@cache
def ways(pattern: str) -> tuple[tuple[str, ...], ...]:
    texts = spelled_out(unicodedata.normalize("NFC", pattern))
    return tuple(tuple((text + "**" if text.endswith("/") else text).split("/")) for text in texts)


@cache
def name_matches(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(name_matches(pattern[1:], name[skip:]) for skip in range(len(name) + 1))
    if not name:
        return False
    if pattern[0] == "[":
        end = pattern.index("]")
        negated = pattern[1] in "!^"
        listed = pattern[1 + negated : end]
        hit = name[0] in listed or (listed[1:2] == "-" and listed[0] <= name[0] <= listed[2])
        return hit != negated and name_matches(pattern[end + 1 :], name[1:])
    return pattern[0] in ("?", name[0]) and name_matches(pattern[1:], name[1:])


def names_match(patterns: tuple[str, ...], names: tuple[str, ...]) -> bool:
    if not patterns:
        return not names
    if patterns == ("**",):
        return bool(names)
    if patterns[0] == "**":
        return any(names_match(patterns[1:], names[skip:]) for skip in range(len(names) + 1))
    if not names:
        return False
    return name_matches(patterns[0], names[0]) and names_match(patterns[1:], names[1:])


@cache
def matched(pattern: str) -> frozenset[str]:
    """All short paths that the pattern matches."""
    return frozenset(
        path
        for path in PATHS
        if any(names_match(way, tuple(path.split("/"))) for way in ways(pattern))
    )


def held(patterns: list[str], excepts: list[str]) -> set[str]:
    """All short paths of a language."""
    granted = {path for pattern in patterns for path in matched(pattern)}
    withheld = {folded(path) for pattern in excepts for path in matched(pattern)}
    return {path for path in granted if folded(path) not in withheld}


def holds(patterns: list[str], excepts: list[str], path: str) -> bool:
    """Whether a path of any length is in the language."""
    spellings = map("".join, product(*({char.lower(), char.upper()} for char in path)))

    def match(pattern: str, text: str) -> bool:
        return any(names_match(way, tuple(text.split("/"))) for way in ways(pattern))

    return (
        all(name not in ("", ".", "..") for name in path.split("/"))
        and any(match(pattern, path) for pattern in patterns)
        and not any(match(pattern, text) for text in spellings for pattern in excepts)
    )


def collide(left: str, right: str) -> bool:
    ours, theirs = folded(left) + "/", folded(right) + "/"
    return ours.startswith(theirs) or theirs.startswith(ours)


# Patterns to try.

PIECES = [
    "a",
    "A",
    "é",
    "e\u0301",
    "_",
    ".",
    "?",
    "[aA]",
    "[!a]",
    "[^é_]",
    "[A-a]",
    "{a,_}",
    "{,É}",
]


def is_pattern(text: str) -> bool:
    try:
        parse_pattern(text)
    except PatternError:
        return False
    return True


names = st.lists(st.sampled_from([*PIECES, "*", "*"]), min_size=1, max_size=3).map("".join)
steps = st.one_of(names, names, st.sampled_from(["**", "*", "{a,é/A}", "{_,**}"]))
patterns = st.builds(
    lambda parts, end: "/".join(parts) + end,
    st.lists(steps, min_size=1, max_size=3),
    st.sampled_from(["", "", "", "/"]),
).filter(is_pattern)
languages = st.tuples(st.lists(patterns, min_size=1, max_size=2), st.lists(patterns, max_size=2))
Texts = tuple[list[str], list[str]]


@settings(deadline=None, max_examples=300)
@given(languages)
def test_matching_is_what_the_naive_reading_says(texts: Texts) -> None:
    language = Language.of(*texts[0], excepts=texts[1])
    assert {path for path in PATHS if language.matches(path)} == held(*texts)


@settings(deadline=None, max_examples=1000)
@given(languages, languages)
def test_an_overlap_is_proven_by_its_witness_and_its_absence_by_all_short_paths(
    left: Texts, right: Texts
) -> None:
    ours, theirs = (Language.of(*texts[0], excepts=texts[1]) for texts in (left, right))
    witness = overlap(ours, theirs)
    common = {folded(path) for path in held(*left)} & {folded(path) for path in held(*right)}
    if witness is None or witness.kind == "below":
        assert not common
    if witness is None:
        assert not below(held(*left), held(*right))
        assert not below(held(*right), held(*left))
        return
    assert witness.certain
    assert ours.matches(witness.left)
    assert holds(*left, witness.left)
    assert theirs.matches(witness.right)
    assert holds(*right, witness.right)
    assert collide(witness.left, witness.right)


def below(files: set[str], others: set[str]) -> list[str]:
    """Paths of others that would need a folder where one of the files is."""
    places = {folded(path) for path in files}
    return [
        path
        for path in others
        if any(folded(path[:at]) in places for at, char in enumerate(path) if char == "/")
    ]


@settings(deadline=None, max_examples=400)
@given(languages, languages)
def test_what_lies_outside_is_proven_by_its_witness_and_its_absence_by_all_short_paths(
    left: Texts, right: Texts
) -> None:
    ours, theirs = (Language.of(*texts[0], excepts=texts[1]) for texts in (left, right))
    path = outside(ours, theirs)
    if path is None:
        assert held(*left) <= held(*right)
    else:
        assert ours.matches(path)
        assert holds(*left, path)
        assert not theirs.matches(path)
        assert not holds(*right, path)


@settings(deadline=None, max_examples=200)
@given(languages, patterns)
def test_what_a_language_excepts_is_never_in_common_with_what_another_owns(
    texts: Texts, excepted: str
) -> None:
    rest = Language.of(*texts[0], excepts=[*texts[1], excepted])
    witness = overlap(rest, Language.of(excepted))
    assert witness is None or witness.kind == "below"


@pytest.mark.parametrize("swap", [False, True])
def test_an_overlap_is_found_from_either_side(swap: bool) -> None:
    one, other = Language.of("src/**"), Language.of("SRC/a.py")
    witness = overlap(other, one) if swap else overlap(one, other)
    assert witness is not None
    assert {witness.left, witness.right} == {"src/a.py", "SRC/a.py"}

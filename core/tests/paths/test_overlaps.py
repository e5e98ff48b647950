"""Collisions of two languages: which there are, and by what they are shown."""

from __future__ import annotations

import pytest

from coditect.findings import CoditectError
from coditect.paths import Language, Undecided, Witness, outside, overlap

COLLIDING = [
    # one path
    ("a", "a", "a", "a"),
    ("src/**", "src/auth/**", "src/auth/a", "src/auth/a"),
    ("**/test_*.py", "core/**", "core/test_.py", "core/test_.py"),
    ("a*", "*b", "ab", "ab"),
    ("?", "[!a-x]", "y", "y"),
    ("**/x/**", "a/**", "a/x/a", "a/x/a"),
    ("a/*/x/**", "a/**/[!x]", "a/a/x/a", "a/a/x/a"),
    ("[a-f]", "[d-z]", "d", "d"),
    ("[!a]", "[!b]", "c", "c"),
    ("{a,b}/{c,d/**}", "{c,b}/d/*", "b/d/a", "b/d/a"),
    # the least that is a path at all
    (".*", ".?*", ".a", ".a"),
    (".git*", "[.]?it*", ".gita", ".gita"),
    (".[.g]", ".?", ".g", ".g"),
    # one path in two spellings
    ("README.md", "readme.*", "README.md", "readme.md"),
    ("src/A/**", "SRC/a/x", "src/A/x", "SRC/a/x"),
    ("caf\u00e9", "CAFE\u0301", "café", "CAFÉ"),
    ("[A-C]", "[a-c]", "A", "a"),
    ("[!a-z]x", "bX", "Bx", "bX"),
    ("Stra\u1e9ee", "straße", "Straẞe", "straße"),
    ("ς", "Σ", "ς", "Σ"),
    # a file where the other has a folder
    ("a", "a/b", "a", "a/b"),
    ("a/b/c", "A", "a/b/c", "A"),
    ("a", "a/**", "a", "a/a"),
    ("**/x", "*.py", ".py/x", ".py"),
    ("*.py", "a.py/x/y", "a.py", "a.py/x/y"),
]


@pytest.mark.parametrize(("one", "other", "left", "right"), COLLIDING)
def test_languages_that_collide_are_shown_by_paths(
    one: str, other: str, left: str, right: str
) -> None:
    ours, theirs = Language.of(one), Language.of(other)
    assert overlap(ours, theirs) == Witness(left, right)
    assert ours.matches(left)
    assert theirs.matches(right)
    turned = overlap(theirs, ours)
    assert turned is not None
    assert theirs.matches(turned.left)
    assert ours.matches(turned.right)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "b"),
        ("a/", "b/"),
        ("a/b", "ab"),
        ("a/**", "ab/**"),
        ("src/*.py", "src/*.md"),
        ("src/a*", "src/b*"),
        ("*a", "*b"),
        ("[a-c]", "[d-f]"),
        ("[!aA]", "a"),
        ("[!kK]", "k"),
        ("??", "*x?x"),
        ("ß", "ss"),
        ("a/*/x/", "a/?/[!xX]/**"),
        (".gi?", ".git*"),
        ("{a,b}/**", "{c,d}/**"),
    ],
)
def test_languages_that_do_not_collide_are_proven_apart(one: str, other: str) -> None:
    ours, theirs = Language.of(one), Language.of(other)
    assert overlap(ours, theirs) is None
    assert overlap(theirs, ours) is None


def test_nothing_collides_with_a_language_that_holds_nothing() -> None:
    everything = Language.of("**")
    for nothing in (
        Language(()),
        Language.of("**", excepts=["**"]),
        Language.of("a*", excepts=["[a]*"]),
        Language.of("a", "b/c", excepts=["A", "{x,B/?}"]),
    ):
        assert overlap(nothing, everything) is None
        assert overlap(everything, nothing) is None
        assert overlap(nothing, nothing) is None
        assert outside(nothing, Language(())) is None


@pytest.mark.parametrize(
    ("witness", "kind"),
    [
        (Witness("a", "a"), "same"),
        (Witness("a/B", "A/b"), "spelling"),
        (Witness("a", "A/b"), "below"),
    ],
)
def test_a_witness_knows_its_kind(witness: Witness, kind: str) -> None:
    assert witness.kind == kind


def test_what_one_excepts_another_can_own() -> None:
    rest = Language.of("src/**", excepts=["src/auth{,/}", "**/*.md"])
    assert overlap(rest, Language.of("src/auth/**")) is None
    assert overlap(rest, Language.of("SRC/Auth/x.py")) is None
    assert overlap(rest, Language.of("src/*/README.MD")) == Witness("src/a", "src/a/README.MD")


def test_a_file_in_place_of_an_excepted_folder_collides_with_what_is_in_the_folder() -> None:
    rest = Language.of("src/**", excepts=["src/auth/"])
    assert overlap(rest, Language.of("src/auth/")) == Witness("src/auth", "src/auth/a")
    assert overlap(Language.of("src/auth/"), rest) == Witness("src/auth/a", "src/auth")


def test_a_common_path_is_shown_rather_than_a_file_against_a_folder() -> None:
    one = Language.of("a", "x/**", excepts=["x/a/**"])
    other = Language.of("a/b", "x/**", excepts=["x/b/**"])
    assert overlap(one, other) == Witness("x/a", "x/a")
    barred = Language.of("x/**", excepts=["x/a"])
    assert overlap(barred, Language.of("x/a", "x/?/b")) == Witness("x/a/b", "x/a/b")


def test_the_same_spelling_is_shown_if_both_have_it() -> None:
    one = Language.of("[aA]x", excepts=["b"])
    assert overlap(one, Language.of("AX", "Ax")) in (Witness("Ax", "AX"), Witness("Ax", "Ax"))
    held_back = Language.of("?", excepts=["a"])
    assert overlap(held_back, Language.of("[ABC]", excepts=["a"])) == Witness("B", "B")


TANGLED = Language.of("*a" + "?" * 14, excepts=["*c" + "?" * 14, "*c"])
KNOT = Language.of("*b" + "?" * 14 + "c", excepts=["*a" + "?" * 15])


def test_a_search_that_grows_too_large_is_never_taken_for_a_proof() -> None:
    witness = overlap(TANGLED, KNOT)
    assert witness is not None
    assert not witness.certain
    with pytest.raises(Undecided) as caught:
        outside(TANGLED, KNOT)
    assert isinstance(caught.value, CoditectError)
    (finding,) = caught.value.findings
    assert finding.code == "paths-undecided"
    assert TANGLED.patterns[0].text in finding.message
    assert finding.hint


def test_a_search_may_be_given_more_room() -> None:
    one = Language.of("a????*", excepts=["ab*", "a*d"])
    other = Language.of("*?c", excepts=["*bc"])
    assert overlap(one, other, max_states=3) == Witness("aaaac", "aaaac")
    rest = Language.of("x/**", excepts=["x/abc/**"])
    tight = overlap(rest, Language.of("x/abc/**"), max_states=4)
    assert tight is not None
    assert not tight.certain
    assert overlap(rest, Language.of("x/abc/**")) == Witness("x/abc", "x/abc/a")


def test_text_that_is_never_nfc_is_not_taken_for_a_witness() -> None:
    mark = Language.of("e[\u0301\u0302]")
    witness = overlap(mark, Language.of("e*"))
    assert witness is not None
    assert not witness.certain
    with pytest.raises(Undecided):
        outside(mark, Language.of("x"))


@pytest.mark.parametrize(
    ("one", "other", "path"),
    [
        ("a", "a", None),
        ("a", "A", "a"),
        ("a", "a/", "a"),
        ("a/", "a", "a/a"),
        ("a/b", "a/", None),
        ("a/**/x", "a/", None),
        ("a/*/", "a/", None),
        ("a/**", "a/*", "a/a/a"),
        ("a/*", "a/**", None),
        ("a/**", "a*/**", None),
        ("a*/**", "a/**", "aa/a"),
        ("[a-c]", "{a,b,c}", None),
        ("[a-d]", "{a,b,c}", "d"),
        ("?", "[!q]", "q"),
        ("*.py", "*", None),
        ("**", "*", "a/a"),
        (".*", ".?*", None),
        (".git*", ".git?*", None),
        ("**/a/**", "**", None),
        ("[aA]", "a", "A"),
        ("[.g][.g]", "x", ".g"),
    ],
)
def test_what_lies_outside_is_shown_by_a_path(one: str, other: str, path: str | None) -> None:
    assert outside(Language.of(one), Language.of(other)) == path


def test_exceptions_count_in_what_lies_outside() -> None:
    whole = Language.of("src/**")
    rest = Language.of("src/**", excepts=["src/auth/"])
    assert outside(rest, whole) is None
    assert outside(whole, rest) == "src/auth/a"
    assert outside(rest, rest) is None
    assert outside(Language.of("src/x/"), rest) is None
    assert outside(Language.of("src/a*/"), rest) == "src/auth/a"
    assert outside(Language.of("src/a*/", excepts=["src/au*/"]), rest) is None
    assert outside(Language.of("src/Auth/x"), rest) == "src/Auth/x"

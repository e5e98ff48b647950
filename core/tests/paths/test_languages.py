"""What a language holds, asked by the gate."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.paths import Language
from coditect.paths.admissible import BARE, advance, is_name, is_path


@pytest.mark.parametrize(
    ("pattern", "held", "others"),
    [
        ("a", ["a"], ["A", "b", "a/b", "aa"]),
        ("*", ["a", ".a", "a b"], ["a/b"]),
        ("a*", ["a", "ab"], ["ba", "a/b"]),
        ("*.py", [".py", "a.py", "a.py.py"], ["a.pyc", "a/b.py"]),
        ("a?c", ["abc", "a.c", "aéc", "a😀c"], ["ac", "a/c", "abbc"]),
        ("[abc]", ["a", "b", "c"], ["d", "ab"]),
        ("[a-c]x", ["ax", "bx", "cx"], ["dx", "Bx"]),
        ("[!a-c]", ["d", "A", "é"], ["a", "b"]),
        ("[^a]", ["b", "^"], ["a"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[--0]", ["-", "0"], ["1"]),
        ("[!-a]", ["b"], ["-", "a"]),
        ("[*?{,]", ["*", "?", "{", ","], ["a"]),
        ("[\U0001f600-\U0001f64f]", ["😀"], ["a"]),
        ("a{b,c/d,}", ["ab", "ac/d", "a"], ["ac", "a/b"]),
        ("{a,b{c,d}}x", ["ax", "bcx", "bdx"], ["bx"]),
        ("**", ["a", "a/b/c"], []),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab/c", "A/b"]),
        ("a/", ["a/b", "a/b/c"], ["a"]),
        ("**/a", ["a", "b/a", "b/c/a"], ["a/b", "ba"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b", "a/b/b"], ["ab", "a/xb", "a/b/x"]),
        ("a/**/*", ["a/b", "a/b/c"], ["a"]),
        ("a/*/**", ["a/b/c"], ["a", "a/b/"]),
        ("**/a/**/b/*.c", ["a/b/.c", "x/a/y/a/b/z.c"], ["a/b/x/z.c"]),
        ("**/a/b/**/a", ["a/b/a", "a/a/b/a", "x/a/b/c/a"], ["a/b", "a/c/b/a"]),
        ("*ab*ab*c", ["ababc", "xabxabxc", "aababcc"], ["abc", "abab"]),
        ("*aab*b", ["aaabb", "aabxb"], ["aab"]),
        ("*a?c*", ["aabc", "aaxcx"], ["abbc"]),
        ("a$(b)|.+", ["a$(b)|.+"], ["a$(b)|xx"]),
        ("a\u2028*", ["a\u2028", "a\u2028b"], ["a"]),
    ],
)
def test_a_pattern_matches(pattern: str, held: list[str], others: list[str]) -> None:
    language = Language.of(pattern)
    assert [path for path in held if not language.matches(path)] == []
    assert [path for path in others if language.matches(path)] == []


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/../b", "a/.", "a\0b", "cafe\u0301"),
        *(".git", ".git/config", "a/.Git/hooks/x", "git~1/x", "GIT~1", ".git./x", ".git  /x"),
        *(".git::$DATA", ".git\\x", "g\u200dit~1", "\ufeff.git", "\u200c", ".\u200c./a", "\u212a"),
    ],
)
def test_no_language_holds_what_is_not_a_path(path: str) -> None:
    assert not is_path(path)
    assert not Language.of("**").matches(path)


@pytest.mark.parametrize(
    "path", [".gitignore", "a.git", ".github/x", "git", "git~2", "...", ".git.x", ". ", "a\nb", " "]
)
def test_what_only_looks_like_git_is_a_path(path: str) -> None:
    assert Language.of("**").matches(path)


NAME_PARTS = [
    ".git",
    ".GIT",
    "git~1",
    "gi",
    "t",
    "~1",
    ".",
    " ",
    ":",
    "\\",
    "x",
    "\u200c",
    "\ufeff",
]


@settings(deadline=None, max_examples=1000)
@given(st.lists(st.sampled_from(NAME_PARTS), max_size=4).map("".join))
def test_the_gate_and_the_proof_know_the_same_names(name: str) -> None:
    state = BARE
    for char in name:
        state = advance(state, char)
    assert is_path(name) == is_path(f"a/{name}/b") == is_name(state)


def test_the_gate_is_exact_in_case() -> None:
    language = Language.of("src/Main.java")
    assert language.matches("src/Main.java")
    assert not language.matches("src/main.java")


def test_an_exception_takes_away_every_spelling() -> None:
    language = Language.of("src/**", excepts=["src/auth/**", "**/*.[ch]", "src/É"])
    assert language.matches("src/a.py")
    for path in ("src/auth/a", "src/Auth/a", "src/x/y.H", "src/é", "src/É"):
        assert not language.matches(path)
    assert language.matches("src/auth")


def test_a_language_without_patterns_holds_nothing() -> None:
    assert not Language(()).matches("a")
    assert not Language.of(excepts=["a"]).matches("a")


def test_the_order_and_number_of_patterns_mean_nothing() -> None:
    one, other = (
        Language.of("a", "b", "a", excepts=["c", "d"]),
        Language.of("b", "a", excepts=["d", "c"]),
    )
    assert one == other
    assert hash(one) == hash(other)
    assert one != Language.of("a", "b")


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a*a*a*a*a*a*a*a*b", "a" * 4000),
        ("*a" * 500 + "*b", "a" * 4000),
        ("*?" * 500 + "b", "a" * 4000),
        ("**/a/" * 300 + "b", "a/" * 2000 + "a"),
        ("**/*a*a*a*b/" * 100 + "b", ("a" * 30 + "/") * 130 + "a"),
        ("**/a*/" * 200 + "**", "a/" * 150 + "a"),
    ],
)
def test_a_hostile_pattern_is_matched_in_time(pattern: str, path: str) -> None:
    language = Language.of(pattern)
    language.matches("a")
    start = time.perf_counter()
    assert not language.matches(path)
    assert time.perf_counter() - start < 1.0

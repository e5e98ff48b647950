"""What can be read as a pattern, and what is said about what cannot."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coditect.findings import CoditectError
from coditect.paths import Language, PatternError, literal_path, parse_pattern
from coditect.paths.lexer import MAX_ALTERNATIVES, MAX_LENGTH


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "empty"),
        ("{,a}", 1, "empty"),
        ("/src", 1, "absolute"),
        ("/", 1, "absolute"),
        ("{a,}/b", 5, "absolute"),
        ("a//b", 3, "nothing between"),
        ("a/{b,}/c", 7, "nothing between"),
        ("./a", 1, "`.` is not part"),
        ("a/..", 3, "`..` would lead out"),
        ("a/{b,..}/c", 6, "`..` would lead out"),
        ("[.]", 1, "`.` is not part"),
        (".git", 1, "Git keeps `.git`"),
        ("src/.GIT/hooks", 5, "Git keeps `.GIT`"),
        ("git~1/x", 1, "`git~1`"),
        (".git. /x", 1, "`.git. `"),
        (".git::$INDEX_ALLOCATION", 1, "for itself"),
        (".g\u200cit", 1, "for itself"),
        ("a\\b", 2, "backslash"),
        ("a[\\]", 3, "backslash"),
        ("a\0", 2, "U+0000"),
        ("a/\x1b[x]", 3, "U+001B"),
        ("x\ud800", 2, "U+D800"),
        ("[a\n]", 3, "U+000A"),
        ("a/b**", 5, "alone between slashes"),
        ("**b", 2, "alone between slashes"),
        ("***", 2, "alone between slashes"),
        ("a/{*,b}*c", 8, "alone between slashes"),
        ("a[bc", 2, "`[` is never closed"),
        ("ab[", 3, "`[` is never closed"),
        ("a{b,c", 2, "`{` is never closed"),
        ("{a,{b}", 4, "no alternatives"),
        ("{a,{b,c}", 1, "`{` is never closed"),
        ("x{}", 2, "no alternatives"),
        ("x{a}", 2, "no alternatives"),
        ("x[]", 2, "class is empty"),
        ("x[!]", 2, "class is empty"),
        ("x[^]a]", 2, "class is empty"),
        ("[az-b]", 3, "`z-b` is reversed"),
        ("[a/b]", 3, "cannot hold a `/`"),
        ("[+-/]", 4, "cannot hold a `/`"),
        ("x[[:alpha:]]", 3, "Named classes"),
        ("e[\u0301]", 1, "one letter"),
        ("{{{{{{{{{{{{{{{{{a,b},c}", 17, "nested too deeply"),
        ("a/" + "{a,b}" * 9, 3, "more than 256"),
        ("a" * 4097, 4097, "4097 characters"),
    ],
)
def test_a_pattern_that_cannot_be_read_says_what_is_wrong_and_where(
    text: str, column: int, message: str
) -> None:
    with pytest.raises(PatternError) as caught:
        parse_pattern(text)
    trouble = caught.value
    assert message in trouble.message
    assert trouble.column == column
    assert trouble.hint
    assert isinstance(trouble, CoditectError)
    assert [finding.message for finding in trouble.findings] == [trouble.message]


def test_the_column_counts_the_characters_as_they_were_given() -> None:
    with pytest.raises(PatternError) as caught:
        parse_pattern("cafe\u0301/cafe\u0301/[")
    assert caught.value.column == 13


def test_a_pattern_is_kept_in_nfc() -> None:
    assert parse_pattern("cafe\u0301").text == "café"
    assert parse_pattern("cafe\u0301") == parse_pattern("café")
    assert str(parse_pattern("src/*.py")) == "src/*.py"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("README.md", "README.md"),
        ("src/a b/c,d}.py", "src/a b/c,d}.py"),
        ("a]/b", "a]/b"),
        ("[[]id].tsx", "[id].tsx"),
        ("{a,a}", "a"),
        ("a/", None),
        ("a/**", None),
        ("a?", None),
        ("a*", None),
        ("[ab]", None),
        ("{a,b}", None),
    ],
)
def test_a_plain_path_is_known_as_such(text: str, path: str | None) -> None:
    assert literal_path(parse_pattern(text)) == path


def test_as_many_alternatives_as_allowed_are_read() -> None:
    pattern = parse_pattern("{a,b}" * 8)
    assert len(pattern.routes) == MAX_ALTERNATIVES
    assert parse_pattern("{" + ",".join("x" * MAX_ALTERNATIVES) + "}").routes
    assert literal_path(parse_pattern("a" * MAX_LENGTH)) == "a" * MAX_LENGTH


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a/", "a/**"),
        ("a/**/**", "a/**"),
        ("a/**/", "a/**"),
        ("a/**/*", "a/**"),
        ("**/**/b", "**/b"),
        ("[a]b", "ab"),
        ("{x,y/z}", "{y/z,x,x}"),
        ("[a-cb-d]", "[abcd]"),
    ],
)
def test_some_ways_of_writing_are_one(one: str, other: str) -> None:
    assert {route.steps for route in parse_pattern(one).routes} == {
        route.steps for route in parse_pattern(other).routes
    }


def refusal(text: str) -> PatternError | None:
    try:
        Language.of(text).matches("a/b")
    except PatternError as trouble:
        return trouble
    return None


@settings(deadline=None, max_examples=300)
@given(st.text("ab/.*?[]{},!^-\\~é\u0301\0", max_size=14))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    trouble = refusal(text)
    if trouble is not None:
        assert 1 <= trouble.column <= len(text) + 1
        assert trouble.message.endswith(".")
        assert trouble.hint.endswith(".")

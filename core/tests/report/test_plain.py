from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coditect.report.plain import escaped, last_line, plain

UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
hostile = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "\x1b[]PX^_\x07\x9b\x9d\x90\x9c\\;m0\r\n\t\u202e\u2066\u200b\ud800\U000e0041"
        ),
    ),
    max_size=60,
)


def unseen(text: str) -> list[str]:
    return [character for character in text if unicodedata.category(character) in UNSEEN]


@given(hostile)
def test_nothing_that_controls_a_terminal_is_left(text: str) -> None:
    assert plain(text).isprintable()


@given(hostile)
def test_harmless_text_stays_harmless_and_the_same(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@given(st.binary(max_size=200), st.integers(1, 30))
def test_an_agents_last_line_is_harmless_and_no_longer_than_asked(output: bytes, most: int) -> None:
    said = last_line(output, most)
    assert said.isprintable()
    assert len(said) <= most


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]52;c;cm0gLXJm\x1b\\clip", "clip"),
        ("\x9b2Jcleared", "cleared"),
        ("\x1bP+q544e\x1b\\asked", "asked"),
        ("\x1b(0box", "box"),
        ("safe \u202etxt.exe", "safe txt.exe"),
        ("one\ntwo\tthree", "one two three"),
        ("a\x00b\x08c", "abc"),
        ("grün ✓", "grün ✓"),
        ("private \ue0b0 use", "private \ufffd use"),
        ("no\u00a0break", "no break"),
        ("half\x1b]0;never ended", "half"),
    ],
)
def test_escape_sequences_go_and_words_stay(said: str, left: str) -> None:
    assert plain(said) == left


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    assert plain("abcdef", 4) == "abc…"
    assert plain("abcd", 4) == "abcd"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (b"", ""),
        (b"one\ntwo\n\n", "two"),
        (b"10 %\r50 %\r90 %", "90 %"),
        (b"90 %\r\x1b[2K\n", "90 %"),
        (b"done\r\n", "done"),
        (b"x" * 9000 + b"\nend\n", "end"),
        ("ü".encode() * 5000, "\ufffd" * 0 + "ü" * 5),
    ],
)
def test_the_last_line_is_what_a_terminal_would_show_last(output: bytes, said: str) -> None:
    assert last_line(output, 6) in (said, said + "…")


@given(st.recursive(hostile, lambda inner: st.lists(inner) | st.dictionaries(hostile, inner)))
def test_an_escaped_document_is_harmless_and_means_the_same(value: object) -> None:
    document = json.dumps(value, ensure_ascii=False, indent=1)
    safe = escaped(document)
    assert json.loads(safe) == json.loads(document)
    assert not unseen(safe.replace("\n", ""))

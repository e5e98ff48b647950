"""The characters of a pattern as tokens, with braces written out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Final
from unicodedata import category

from coditect.paths.charset import ANY, CharSet, char_set, single

MAX_LENGTH = 4096
"""Characters of a pattern."""
MAX_ALTERNATIVES = 256
"""What all braces of a pattern may multiply to."""
_MAX_DEPTH = 16


class PatternSlip(Exception):
    """What is wrong at a position (from 0) of the normalised pattern."""

    def __init__(self, at: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message
        self.hint = hint


class _Mark:
    """A token that is not a set of characters."""


SLASH: Final = _Mark()
RUN: Final = _Mark()
"""A `*`; two of them as a whole segment are a `**`."""


@dataclass(frozen=True, slots=True)
class Token:
    """A character of the pattern that stands for something, and where it is."""

    chars: CharSet | _Mark
    at: int


@dataclass(slots=True)
class _Braces:
    """An open or finished `{...}`: alternatives, each a row of tokens and further braces."""

    at: int
    rows: list[list[Token | _Braces]] = field(default_factory=lambda: [[]])


def read(text: str) -> list[list[Token]]:
    """Give the alternatives that a pattern in NFC spells out, as rows of tokens."""
    if len(text) > MAX_LENGTH:
        raise PatternSlip(
            MAX_LENGTH,
            f"The pattern has {len(text)} characters; at most {MAX_LENGTH} are read.",
            "Split it into several patterns.",
        )
    row = _parse(text)
    if _count(row) > MAX_ALTERNATIVES:
        first = next(part.at for part in row if isinstance(part, _Braces))
        raise PatternSlip(
            first,
            f"The braces spell out more than {MAX_ALTERNATIVES} alternatives.",
            "Use `*` or a class, or split it into several patterns.",
        )
    return list(_expand(row))


def _parse(text: str) -> list[Token | _Braces]:
    whole = _Braces(0)
    open_braces = [whole]
    at = 0
    while at < len(text):
        char, here = text[at], open_braces[-1]
        row = here.rows[-1]
        at += 1
        if char == "[":
            chars, end = _read_class(text, at)
            row.append(Token(chars, at - 1))
            at = end
        elif char == "{":
            if len(open_braces) > _MAX_DEPTH:
                raise PatternSlip(at - 1, "Braces are nested too deeply.", "Write them out.")
            inner = _Braces(at - 1)
            row.append(inner)
            open_braces.append(inner)
        elif char == "," and here is not whole:
            here.rows.append([])
        elif char == "}" and here is not whole:
            _close(open_braces.pop())
        else:
            row.append(Token(_plain(char, at - 1), at - 1))
    if len(open_braces) > 1:
        raise PatternSlip(
            open_braces[-1].at,
            "This `{` is never closed.",
            "Add the `}`, or write `[{]` for the character itself.",
        )
    return whole.rows[0]


def _close(braces: _Braces) -> None:
    if len(braces.rows) == 1:
        raise PatternSlip(
            braces.at,
            "These braces hold no alternatives.",
            "Separate two or more by commas, or write `[{]` for the character itself.",
        )


def _plain(char: str, at: int) -> CharSet | _Mark:
    if char == "*":
        return RUN
    if char == "/":
        return SLASH
    if char == "?":
        return ANY
    return single(_letter(char, at))


def _letter(char: str, at: int) -> str:
    """Give the character back if it may stand for itself."""
    if char == "\\":
        raise PatternSlip(
            at,
            "A backslash has no meaning in a pattern.",
            "Separate folders by `/`; a class such as `[*]` stands for the character itself.",
        )
    if category(char) in ("Cc", "Cs"):
        raise PatternSlip(
            at, f"The control character U+{ord(char):04X} cannot be in a pattern.", "Remove it."
        )
    return char


def _read_class(text: str, at: int) -> tuple[CharSet, int]:
    """Read a class whose `[` stands before `at`; give it and the position behind its `]`."""
    start = at - 1
    negated = text[at : at + 1] in ("!", "^")
    end = text.find("]", at + negated)
    if end < 0:
        raise PatternSlip(
            start,
            "This `[` is never closed.",
            "Add the `]`, or write `[[]` for the character itself.",
        )
    at += negated
    if at == end:
        raise PatternSlip(
            start,
            "This class is empty.",
            "Name characters in it; outside of a class, `]` stands for itself.",
        )
    if text.startswith("[:", at) and text[end - 1] == ":":
        raise PatternSlip(
            at, "Named classes are not known.", "Name the characters, such as `[a-z]` or `[0-9]`."
        )
    ranges = []
    while at < end:
        first = last = _member(text, at)
        here = at
        at += 1
        if text[at] == "-" and at + 1 < end:
            last = _member(text, at + 1)
            at += 2
        if last < first:
            raise PatternSlip(
                here,
                f"The range `{first}-{last}` is reversed.",
                f"Write `{last}-{first}`; a `-` itself stands first or last in its class.",
            )
        ranges.append((ord(first), ord(last)))
    return char_set(ranges, negated=negated), end + 1


def _member(text: str, at: int) -> str:
    if text[at] == "/":
        raise PatternSlip(
            at,
            "A class stands for one character within a segment, so it cannot hold a `/`.",
            "Use braces: `{a/b,c}`.",
        )
    return _letter(text[at], at)


def _count(row: list[Token | _Braces]) -> int:
    total = 1
    for part in row:
        if isinstance(part, _Braces):
            total *= sum(map(_count, part.rows))
    return total


def _expand(row: list[Token | _Braces]) -> Iterator[list[Token]]:
    ways = [
        [way for inner in part.rows for way in _expand(inner)]
        if isinstance(part, _Braces)
        else [[part]]
        for part in row
    ]
    for choice in product(*ways):
        yield [token for way in choice for token in way]

"""Reading a pattern: the globs that say which paths of a repository somebody owns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from unicodedata import is_normalized, normalize

from coditect.findings import CoditectError, Finding
from coditect.paths import lexer
from coditect.paths.admissible import is_path
from coditect.paths.charset import CharSet
from coditect.paths.lexer import RUN, SLASH, PatternSlip, Token
from coditect.paths.segments import ANY_NAME, Route, Segment, route, segment


class PatternError(CoditectError):
    """A pattern that cannot be read, or that could never match a path."""

    def __init__(self, message: str, column: int, hint: str) -> None:
        super().__init__(Finding("bad-path", message, hint))
        self.message = message
        self.column = column
        """Position in the pattern as it was given; counts characters from 1."""
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Pattern:
    """A glob within one repository; made by `parse_pattern`."""

    text: str
    """The pattern in NFC."""
    routes: tuple[Route, ...] = field(repr=False, compare=False)
    """Its alternatives without braces; a path matches if one of them does."""

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=1 << 15)
def parse_pattern(text: str) -> Pattern:
    """Read a pattern; raise PatternError, with the column, if it is not one.

    `*` is any run of characters within a segment, `?` is one character, `[abc]`, `[a-z]` and
    `[!x]` (or `[^x]`) are one of several, `{a,b}` is one of several texts (alternatives are
    written out before anything else is read, at most 256 of them), `**` as a whole segment is any
    number of segments. At the end, `x/**` and `x/` are everything below `x` and not `x` itself.
    """
    normal = normalize("NFC", text)
    try:
        routes = tuple(dict.fromkeys(_steps(tokens) for tokens in lexer.read(normal)))
    except PatternSlip as slip:
        column = _column(text, normal, slip.at)
        raise PatternError(slip.message, column, slip.hint) from None
    return Pattern(normal, tuple(map(route, routes)))


def literal_path(pattern: Pattern) -> str | None:
    """Give the one path that the pattern matches; None if it is not a plain path."""
    return pattern.routes[0].literal if len(pattern.routes) == 1 else None


def _column(text: str, normal: str, at: int) -> int:
    """Find the column in the given text of a position in its normal form."""
    if text == normal:
        return at + 1
    lengths = (len(normalize("NFC", text[:end])) for end in range(1, len(text) + 1))
    return next((end for end, length in enumerate(lengths, 1) if length > at), len(text))


def _steps(tokens: list[Token]) -> tuple[Segment | None, ...]:
    """Turn one alternative into the steps of its route."""
    if not tokens:
        raise PatternSlip(
            0, "The pattern, or one of its alternatives, is empty.", "Write `**` for everything."
        )
    rows: list[list[Token]] = [[]]
    for token in tokens:
        if token.chars is not SLASH:
            rows[-1].append(token)
        elif rows[-1]:
            rows.append([])
        elif len(rows) == 1:
            raise PatternSlip(
                token.at,
                "The path is absolute; patterns are relative to the root of the repository.",
                "Drop the leading `/`.",
            )
        else:
            raise PatternSlip(token.at, "There is nothing between two slashes.", "Drop one.")
    steps: list[Segment | None] = []
    for row in rows:
        step = _segment(row) if row else None  # an empty last row: the pattern ends in a slash
        if step is not None or not steps or steps[-1] is not None:
            steps.append(step)
    if steps[-1] is None:
        steps.append(ANY_NAME)
    return tuple(steps)


def _segment(row: list[Token]) -> Segment | None:
    chars = [token.chars for token in row]
    if chars == [RUN, RUN]:
        return None
    for token, after in pairwise(row):
        if token.chars is RUN and after.chars is RUN:
            raise PatternSlip(
                after.at,
                "`**` means folders at any depth only when it stands alone between slashes.",
                "Write `*` for a run of characters, or `**/` for any folders.",
            )
    made = segment(tuple(token if isinstance(token, CharSet) else None for token in chars))
    if made.literal is not None and not is_path(made.literal):
        raise _not_a_name(made.literal, row[0].at)
    return made


def _not_a_name(name: str, at: int) -> PatternSlip:
    if name == ".":
        return PatternSlip(at, "`.` is not part of a path in a repository.", "Drop it.")
    if name == "..":
        return PatternSlip(
            at,
            "`..` would lead out of the folder; a pattern stays within its repository.",
            "Write the path from the root of the repository.",
        )
    if not is_normalized("NFC", name):
        return PatternSlip(
            at,
            f"`{name}` takes two characters for what is one letter, and no path in NFC does.",
            "Write the letter itself, outside of classes and braces.",
        )
    return PatternSlip(
        at,
        f"Git keeps `{name}` for itself, or some file system would take it for `.git`.",
        "Nobody can own it; drop it.",
    )

"""Sets of characters, as `?`, `[...]` and plain letters of a pattern denote them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import category, is_normalized

from coditect.paths.admissible import is_special
from coditect.paths.folding import families, fold_char

Ranges = tuple[tuple[int, int], ...]
"""Code points from..to, both included; sorted, apart from each other, none empty."""

_LAST = 0x10FFFF
_SLASH = ord("/")
_READABLE = "abcdefhjklmnopqrsuvwxyz023456789_-ABCDEFHJKLMNOPQRSUVWXYZ"
_RANK = {ord(char): rank for rank, char in enumerate(_READABLE)}
_LOOK_AHEAD = 256


@dataclass(frozen=True, eq=False, slots=True)
class CharSet:
    """A set of characters without `/`; equal sets are one object (see `char_set`)."""

    ranges: Ranges
    starts: tuple[int, ...]
    only: str | None
    """The one character of a set of one."""

    def __contains__(self, char: str) -> bool:
        code = ord(char)
        at = bisect_right(self.starts, code) - 1
        return at >= 0 and code <= self.ranges[at][1]


def char_set(ranges: Iterable[tuple[int, int]], *, negated: bool = False) -> CharSet:
    """Make the set of these code points, or of all others, without `/`; some must be left."""
    outside = ranges if negated else _complement(ranges)
    return _interned(_complement((*outside, (_SLASH, _SLASH))))


def _complement(ranges: Iterable[tuple[int, int]]) -> Ranges:
    gaps = []
    free = 0
    for first, last in sorted(ranges):
        if first > free:
            gaps.append((free, first - 1))
        free = max(free, last + 1)
    if free <= _LAST:
        gaps.append((free, _LAST))
    return tuple(gaps)


@lru_cache(maxsize=1 << 15)
def _interned(ranges: Ranges) -> CharSet:
    only = chr(ranges[0][0]) if len(ranges) == 1 and ranges[0][0] == ranges[0][1] else None
    return CharSet(ranges, tuple(first for first, _ in ranges), only)


ANY = _interned(_complement([(_SLASH, _SLASH)]))
"""What `?` stands for."""


@lru_cache(maxsize=1 << 12)
def single(char: str) -> CharSet:
    """Give the set of one character."""
    return _interned(((ord(char), ord(char)),))


@lru_cache(maxsize=1 << 15)
def readable(first: int, last: int) -> tuple[int, str]:
    """Choose the character of a range that reads best in a path; with its rank, least is best.

    A special character (one that matters for `.git`) is chosen only from a range of nothing else,
    where all mean the same: so the choice may stand for its range in a proof.
    """
    ranks = [rank for code, rank in _RANK.items() if first <= code <= last]
    if ranks:
        return ranks[0], _READABLE[ranks[0]]
    return min(map(_rank, map(chr, range(first, min(last, first + _LOOK_AHEAD) + 1))))


def _rank(char: str) -> tuple[int, str]:
    faults = (
        (not is_normalized("NFC", char)) * 32
        + is_special(char) * 16
        + (not char.isprintable()) * 8
        + category(char).startswith("M") * 4
        + (not char.isascii()) * 2
        + (char.lower() != char)
    )
    return len(_RANK) + faults, char


def representative(chars: CharSet) -> str:
    """Give a readable character of the set."""
    return chars.only or min(readable(first, last) for first, last in chars.ranges)[1]


@lru_cache(maxsize=1 << 15)
def torn(chars: CharSet) -> tuple[str, ...]:
    """Give the folded characters whose family is partly in the set and partly outside."""
    candidates = families() if chars.only is None else (fold_char(chars.only),)
    return tuple(
        folded
        for folded in candidates
        if folded in families() and len({member in chars for member in families()[folded]}) == 2
    )


@lru_cache(maxsize=1 << 15)
def closed(chars: CharSet) -> CharSet:
    """Give the set with all characters that fold to the same as one of its own."""
    added = [ord(member) for folded in torn(chars) for member in families()[folded]]
    return char_set((*chars.ranges, *((code, code) for code in added))) if added else chars


@lru_cache(maxsize=1 << 16)
def meet(left: CharSet, right: CharSet) -> tuple[str, str] | None:
    """Find a character of each that fold to the same, the same one if there is; or None."""
    if left.only is not None and right.only is not None:
        alike = fold_char(left.only) == fold_char(right.only)
        return (left.only, right.only) if alike else None
    common = min(
        (readable(*both) for both in _intersection(left.ranges, right.ranges)), default=None
    )
    if common is not None:
        return common[1], common[1]
    # Nothing is in both, so only a family that `left` tears apart can have members on both sides.
    for folded in torn(left):
        ours = [member for member in families()[folded] if member in left]
        theirs = [member for member in families()[folded] if member in right]
        if theirs:
            return ours[0], theirs[0]
    return None


def _intersection(left: Ranges, right: Ranges) -> Iterator[tuple[int, int]]:
    i = j = 0
    while i < len(left) and j < len(right):
        first, last = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if first <= last:
            yield first, last
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1

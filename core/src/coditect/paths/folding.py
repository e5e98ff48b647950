"""When two file systems would call two paths the same: NFC and one-to-one case folding.

Windows and macOS keep `README` and `readme` in one place, and macOS also `é` in its two
spellings. The proof therefore compares folded paths. Folding maps each character to exactly one
character, so it carries over from characters to whole languages and the proof stays exact. What
it gives up: letters whose folding needs several characters (`ß` and `ss`) stay different.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from unicodedata import is_normalized, normalize

_PLANES = 0x110000
_BLOCK = 0x100


def fold_char(char: str) -> str:
    """Give the one character that stands for `char` and all that differ from it only in case."""
    folded = char.casefold()
    if len(folded) == 1:
        return folded
    lowered = char.lower()
    return lowered if len(lowered) == 1 else char


class _Folded(dict[int, str]):
    """A table for `str.translate` that fills itself as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = fold_char(chr(code))
        return folded


_FOLDED = _Folded()


def fold(path: str) -> str:
    """Give the form in which two paths are equal if some file system confuses them."""
    if path.isascii():
        return path.lower()
    return fold_chars(normalize("NFC", path))


def fold_chars(text: str) -> str:
    """Fold each character for itself, which is all there is to do for text in NFC."""
    return text.translate(_FOLDED)


@cache
def families() -> Mapping[str, tuple[str, ...]]:
    """Give, for each folded character that is not alone, all characters that fold to it.

    Characters that never occur in NFC text (the Kelvin sign) are left out, since a path that
    holds one is in no language.
    """
    found: dict[str, list[str]] = {}
    for start in range(0, _PLANES, _BLOCK):
        block = "".join(map(chr, range(start, start + _BLOCK)))
        if block.casefold() == block and block.lower() == block:
            continue
        for char in block:
            folded = fold_char(char)
            if folded != char and is_normalized("NFC", char):
                found.setdefault(folded, [folded]).append(char)
    return MappingProxyType({folded: tuple(members) for folded, members in found.items()})

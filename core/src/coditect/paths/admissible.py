"""What can be a path in a repository at all; no language holds anything else.

A path is relative, `/`-separated, in NFC, without NUL, and none of its segments is empty, `.`,
`..` or a spelling of `.git`. As git does, we take for `.git` what some file system would:
any case, NTFS's short name `git~1`, trailing dots, spaces and streams (NTFS), and characters
that HFS+ ignores in names.

The rule stands here twice: as an expression for the gate, and as an automaton that the proof
advances character by character. A test holds them together.
"""

from __future__ import annotations

import re
from unicodedata import is_normalized

_IGNORED = "\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff"
_SKIP = f"[{_IGNORED}]*"
_GIT = _SKIP.join((r"\.", "[gG]", "[iI]", "[tT]"))
_SHORT = _SKIP.join(("[gG]", "[iI]", "[tT]", "~", "1"))
_TAIL = rf"[. {_IGNORED}]*(?:[:\\][^/]*)?"
_NOT_A_NAME = rf"{_SKIP}(?:(?:\.{_SKIP}){{0,2}}|(?:{_GIT}|{_SHORT}){_TAIL})"
_NOT_A_PATH = re.compile(rf"(?:\A|/){_NOT_A_NAME}(?=/|\Z)|\0")

_is_ignored = re.compile(f"[{_IGNORED}]").match
_NAMES = (".git", "git~1")
_STEPS = frozenset(name[:length] for name in _NAMES for length in range(1, len(name) + 1)) | {".."}

BARE = ""
"""The state of a segment of which nothing is known yet; it is not a name."""
FREE = "free"
"""The state of a segment that is a name, whatever follows."""
_LOST = "lost"
_REFUSED = frozenset({BARE, ".", "..", *_NAMES, _LOST})

SPECIAL = frozenset(".gitGIT~1 :\\")
"""Characters that may lead elsewhere than to FREE, beside those that HFS+ ignores."""


def is_path(text: str) -> bool:
    """Say whether a repository can hold this path."""
    return _NOT_A_PATH.search(text) is None and (text.isascii() or is_normalized("NFC", text))


def is_special(char: str) -> bool:
    """Say whether `char` matters for what is a name; any other makes a segment FREE."""
    return char in SPECIAL or _is_ignored(char) is not None


def advance(state: str, char: str) -> str:
    """Give the state of a segment after one more character, which is not `/`."""
    if state in (FREE, _LOST) or _is_ignored(char):
        return state
    if state in _NAMES:
        if char in ". ":
            return state
        return _LOST if char in ":\\" else FREE
    longer = state + (char.lower() if char.isascii() else char)
    return longer if longer in _STEPS else FREE


def is_name(state: str) -> bool:
    """Say whether a segment in this state may end here."""
    return state not in _REFUSED

"""Which names git refuses to check out, because some file system reads them as `.git`."""

from __future__ import annotations

import unicodedata

_IGNORED_BY_HFS = frozenset(
    (*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF)
)
"""Code points that HFS+ skips when it compares names (Apple TN1150)."""


def means_dot_git(name: str) -> bool:
    """Say whether a file system would take one component of a path for `.git`.

    Case does not matter, HFS+ skips invisible characters, and NTFS knows `git~1`, trailing dots and
    spaces, and streams after a colon; a backslash separates components there.
    """
    return any(_is_dot_git(part) for part in name.split("\\"))


def _is_dot_git(name: str) -> bool:
    visible = "".join(char for char in name if ord(char) not in _IGNORED_BY_HFS)
    if visible.casefold() == ".git":
        return True
    return name.partition(":")[0].rstrip(". ").casefold() in (".git", "git~1")


def folded(name: str) -> str:
    """Give the form in which file systems that ignore case compare a name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def is_unicode(name: str) -> bool:
    """Say whether the name's bytes are valid UTF-8."""
    return not any("\udc80" <= char <= "\udcff" for char in name)

"""One form of an e-mail address, so that equal means the same mailbox and nothing else."""

from __future__ import annotations

import re
import string

_SHAPE = re.compile(r"[^\s@<>\"(),:;\\\[\]]{1,64}@[^\s@<>\"(),:;\\\[\]]{1,189}")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def normalised(address: str) -> str | None:
    """Give the form in which addresses are kept and compared; None if it is no address.

    Only A to Z are folded. `str.lower` and `casefold` also map letters that merely look alike
    (the Kelvin sign to k, ß to ss), and so let the owner of one mailbox in as another.
    """
    folded = address.strip(" ").translate(_LOWER)
    if not _SHAPE.fullmatch(folded) or not folded.isprintable() or len(folded) > 254:
        return None
    return folded


def domain(address: str) -> str:
    """The part behind the `@` of a normalised address."""
    return address.rpartition("@")[2]

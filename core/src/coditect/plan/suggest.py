"""The name somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that is most like `name`, or None if none is."""
    folded = {candidate.casefold(): candidate for candidate in sorted(known, reverse=True)}
    found = get_close_matches(name.casefold()[:80], list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Give a hint that names the nearest known name, or else what there is, or `otherwise`."""
    candidates = sorted(known)
    near = nearest(name, candidates)
    if near is not None:
        return f"Did you mean `{near}`?"
    if otherwise or not candidates:
        return otherwise
    shown = ", ".join(f"`{candidate}`" for candidate in candidates[:8])
    more = f" and {len(candidates) - 8} more" if len(candidates) > 8 else ""
    return f"There are: {shown}{more}."

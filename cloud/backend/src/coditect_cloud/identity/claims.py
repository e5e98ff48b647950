"""Claims of a token: found by path, compared with patterns. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

MAX_VALUE = 1_024
"""Characters of a claim that is compared; longer ones match nothing."""


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """Find a claim by its path: names joined by `/`, as in `kubernetes.io/pod/name`.

    A name may itself hold a `/`. None if there is none, and also if the path can be read in two
    ways: then who writes custom claims could stand one in for the other.
    """
    found = _found(claims, path)
    return found[0] if len(found) == 1 else None


def texts(value: Any) -> tuple[str, ...]:
    """A claim's value as texts to compare: several for a list, none for what is no text."""
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, int):
        return (str(value),)
    if isinstance(value, str):
        return (value,) if 0 < len(value) <= MAX_VALUE else ()
    if isinstance(value, list):
        return tuple(t for item in value if not isinstance(item, list) for t in texts(item))
    return ()


def matches(pattern: str, value: str) -> bool:
    """Compare a text with a pattern: `*` is a piece without `/` and `:`, `**` is any piece.

    All else is literal, case counts, and the whole text has to match: `octo/*` is every repository
    of octo, and none of octo-evil.
    """
    return len(value) <= MAX_VALUE and _compiled(pattern).fullmatch(value) is not None


def check_pattern(pattern: str) -> None:
    """Refuse (ValueError) a pattern that could take long, or that says nothing."""
    if not pattern or len(pattern) > MAX_VALUE:
        raise ValueError("a pattern has 1 to 1024 characters")
    if pattern.count("*") > 6 or "***" in pattern:
        raise ValueError(f"too many wildcards in the pattern {pattern!r}")


@lru_cache(maxsize=1_024)
def _compiled(pattern: str) -> re.Pattern[str]:
    pieces = {"**": ".*", "*": "[^/:]*"}
    return re.compile(
        "".join(pieces.get(p) or re.escape(p) for p in re.split(r"(\*\*|\*)", pattern)), re.DOTALL
    )


def _found(claims: Mapping[str, Any], path: str) -> list[Any]:
    found = [claims[path]] if claims.get(path) is not None else []
    for at, letter in enumerate(path):
        if letter == "/" and isinstance(inner := claims.get(path[:at]), Mapping):
            found += _found(inner, path[at + 1 :])
    return found

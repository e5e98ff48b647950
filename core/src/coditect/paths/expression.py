"""Patterns as one regular expression, which never backtracks into a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from coditect.paths.charset import ANY, CharSet
from coditect.paths.segments import ANY_NAME, Route, Segment

T = TypeVar("T")
_NOTHING = "(?!)"


def expression(routes: Iterable[Route]) -> str:
    """Write the routes as one expression, to be matched from the start of a path.

    It is meant for what `is_path` allows. Between two runs stands a part of fixed length, and
    where such a part is found first is as good as any later place: the run before it can only
    have left more to the runs behind. So each run searches lazily for the part behind it and
    keeps what it found (an atomic group), and the time is at most the length of the path times
    that of the patterns.
    """
    ways = [_route(route.steps) for route in routes]
    return rf"(?:{'|'.join(ways)})\Z" if ways else _NOTHING


def _route(steps: Sequence[Segment | None]) -> str:
    first, *others = _parts(steps)
    if not others:
        return _names(first)
    *between, last = others
    return "".join(
        (
            _names(first) + "/" if first else "",
            *(f"(?>(?:[^/]++/)*?{_names(part)}/)" for part in between),
            "(?s:.+)" if last == [ANY_NAME] else rf"(?:[^/]++/)*?{_names(last)}\Z",
        )
    )


def _names(part: Sequence[Segment]) -> str:
    return "/".join(map(_name, part))


def _name(segment: Segment) -> str:
    first, *others = _parts(segment.tokens)
    if not others:
        return _chars(first)
    *between, last = others
    return "".join(
        (
            _chars(first),
            *(f"(?>[^/]*?{_chars(part)})" for part in between),
            rf"(?>[^/]*?{_chars(last)}(?=/|\Z))" if last else "[^/]*+",
        )
    )


def _chars(part: Sequence[CharSet]) -> str:
    return "".join(map(_char, part))


def _char(chars: CharSet) -> str:
    if chars.only is not None:
        return re.escape(chars.only)
    if chars is ANY:
        return "[^/]"
    ranges = (rf"\U{first:08x}-\U{last:08x}" for first, last in chars.ranges)
    return f"[{''.join(ranges)}]"


def _parts(row: Sequence[T | None]) -> list[list[T]]:
    """Split a row at its runs."""
    parts: list[list[T]] = [[]]
    for element in row:
        if element is None:
            parts.append([])
        else:
            parts[-1].append(element)
    return parts

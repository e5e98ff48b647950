"""Patterns after parsing, and the plain product that finds what two of them share.

A segment is a row of character sets with runs (`*`) between them; a route is a row of segments
with runs (`**`) between them. One walk over the grid of two rows serves both levels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from coditect.paths import charset
from coditect.paths.admissible import is_path
from coditect.paths.charset import CharSet, closed, representative, single
from coditect.paths.folding import fold_chars

Pair = tuple[str, str]
"""Texts for the left and the right side that fold to the same."""
T = TypeVar("T")
_Cell = tuple[int, int]


@dataclass(frozen=True, eq=False, slots=True)
class Segment:
    """The part of a pattern between two slashes; equal ones are mostly one object."""

    tokens: tuple[CharSet | None, ...]
    """None is `*`: any run of characters. No two runs are neighbours."""
    literal: str | None
    """The one name that it matches, if it has neither runs nor choices."""
    lead: str
    """What every matched name begins with, folded."""
    sample: str
    """A name that it matches."""


@dataclass(frozen=True, eq=False, slots=True)
class Route:
    """A pattern without braces: one of the ways through a pattern's alternatives."""

    steps: tuple[Segment | None, ...]
    """None is `**`: any number of segments, also none. No two runs are neighbours, and the last
    step is a segment: what is everything below ends in `**` and `*`."""
    lead: str
    """What every matched path, with a `/` added, begins with; folded. Of two routes that share a
    path or have one that lies below the other's, one lead begins with the other."""

    @property
    def is_folder(self) -> bool:
        """Whether it matches everything below what matches its other steps."""
        return self.steps[-2:] == (None, ANY_NAME)

    @property
    def literal(self) -> str | None:
        """The one path that it matches, if there is only one."""
        names = [step.literal for step in self.steps if step is not None]
        known = [name for name in names if name is not None]
        return "/".join(known) if len(known) == len(self.steps) else None


@lru_cache(maxsize=1 << 17)
def segment(tokens: tuple[CharSet | None, ...]) -> Segment:
    """Make a segment of tokens that hold no two runs in a row."""
    start = ""
    for token in tokens:
        if token is None or token.only is None:
            break
        start += token.only
    sample = _spell(tokens, "")
    return Segment(
        tokens=tokens,
        literal=start if len(start) == len(tokens) else None,
        lead=fold_chars(start),
        sample=sample if is_path(sample) else _spell(tokens, "a"),
    )


def _spell(tokens: Sequence[CharSet | None], run: str) -> str:
    return "".join(run if token is None else representative(token) for token in tokens)


ANY_NAME = segment((None,))
"""The segment `*`."""


def route(steps: tuple[Segment | None, ...]) -> Route:
    """Make a route of steps that hold no two runs in a row and end in a segment."""
    lead = ""
    for step in steps:
        if step is None:
            break
        lead += step.lead
        if step.literal is None:
            break
        lead += "/"
    return Route(steps, lead)


@lru_cache(maxsize=1 << 15)
def respelled(original: Route) -> Route:
    """Give the route that matches all that folds to the same as a match of the original."""
    return route(
        tuple(
            step and segment(tuple(token and closed(token) for token in step.tokens))
            for step in original.steps
        )
    )


def meet_routes(left: Route, right: Route) -> Pair | None:
    """Find paths of each that fold to the same, or of which one lies below the other; or None.

    None is a proof that there are no such paths. A pair may hold a path that no repository can
    hold (see `is_path`), since characters are chosen one by one.
    """
    if not (left.lead.startswith(right.lead) or right.lead.startswith(left.lead)):
        return None
    found = _align(left.steps, right.steps, _meet_segments, _sample, below=True)
    if found is None:
        return None
    return "/".join(found[0]), "/".join(found[1])


def spelling(pattern: Route, path: str) -> str | None:
    """Give a match of the pattern that folds to the same as the path: the path itself if it can."""
    names = (segment(tuple(map(single, name))) for name in path.split("/"))
    found = _align(pattern.steps, tuple(names), _meet_segments, _sample, below=False)
    return "/".join(found[0]) if found is not None else None


def _sample(step: Segment) -> str:
    return step.sample


def _meet_segments(left: Segment, right: Segment) -> Pair | None:
    if left.literal is not None and right.literal is not None:
        return (left.literal, right.literal) if left.lead == right.lead else None
    if left is ANY_NAME:
        return right.sample, right.sample
    if right is ANY_NAME:
        return left.sample, left.sample
    if not (left.lead.startswith(right.lead) or right.lead.startswith(left.lead)):
        return None
    return _meet_tokens(left, right)


@lru_cache(maxsize=1 << 16)
def _meet_tokens(left: Segment, right: Segment) -> Pair | None:
    found = _align(left.tokens, right.tokens, charset.meet, representative, below=False)
    if found is None:
        return None
    return "".join(found[0]), "".join(found[1])


def _align(
    left: Sequence[T | None],
    right: Sequence[T | None],
    meet: Callable[[T, T], Pair | None],
    alone: Callable[[T], str],
    *,
    below: bool,
) -> tuple[list[str], list[str]] | None:
    """Find a common word of two rows with runs (None), breadth first.

    `meet` finds what two elements share, `alone` is what one element matches. With `below`, it is
    also enough that one row ends where the other goes on; a common word is preferred.
    """
    goal = (len(left), len(right))
    came: dict[_Cell, tuple[_Cell, Pair | None]] = {(0, 0): ((0, 0), None)}
    cells = [(0, 0)]
    ended: _Cell | None = None
    for cell in cells:
        if cell == goal:
            return _trace(came, cell)
        i, j = cell
        ours = left[i] if i < goal[0] else None
        theirs = right[j] if j < goal[1] else None
        moves: list[tuple[_Cell, Pair | None]] = []
        if i == goal[0] or j == goal[1]:
            ended = ended or cell
        if i < goal[0] and ours is None:
            moves.append(((i + 1, j), None))
            if theirs is not None:
                moves.append(((i, j + 1), (alone(theirs), alone(theirs))))
        if j < goal[1] and theirs is None:
            moves.append(((i, j + 1), None))
            if ours is not None:
                moves.append(((i + 1, j), (alone(ours), alone(ours))))
        if ours is not None and theirs is not None:
            both = meet(ours, theirs)
            if both is not None:
                moves.append(((i + 1, j + 1), both))
        for after, pair in moves:
            if after not in came:
                came[after] = (cell, pair)
                cells.append(after)
    if not below or ended is None:
        return None
    ours_so_far, theirs_so_far = _trace(came, ended)
    ours_so_far += [alone(step) for step in left[ended[0] :] if step is not None]
    theirs_so_far += [alone(step) for step in right[ended[1] :] if step is not None]
    return ours_so_far, theirs_so_far


def _trace(
    came: dict[_Cell, tuple[_Cell, Pair | None]], cell: _Cell
) -> tuple[list[str], list[str]]:
    pairs: list[Pair] = []
    while cell != (0, 0):
        cell, pair = came[cell]
        if pair is not None:
            pairs.append(pair)
    pairs.reverse()
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]

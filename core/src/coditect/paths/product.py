"""What two languages share, and what one has and the other lacks: proofs with a witness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from coditect.findings import CoditectError, Finding
from coditect.paths.admissible import BARE, is_name, is_path
from coditect.paths.automaton import Automaton
from coditect.paths.folding import fold
from coditect.paths.language import Language
from coditect.paths.segments import Route, meet_routes, respelled, spelling
from coditect.paths.walk import Move, State, Walk, steps

MAX_STATES = 20_000
"""How many states a search may meet before it is given up."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Two paths by which two languages collide."""

    left: str
    right: str
    """Equal to `left`, or equal once folded, or one of both lies below the other once folded."""
    certain: bool = True
    """Whether each path is in its language. If not, the search was given up: the paths are only a
    guess at where the languages may collide, and so is the kind."""

    @property
    def kind(self) -> Literal["same", "spelling", "below"]:
        """Whether it is one path, one in two spellings, or a file where the other has a folder."""
        if self.left == self.right:
            return "same"
        return "spelling" if fold(self.left) == fold(self.right) else "below"


class Undecided(CoditectError):
    """The languages are too entangled to be compared within bounds."""

    def __init__(self, a: Language, b: Language) -> None:
        names = ", ".join(f"`{pattern}`" for pattern in a.patterns)
        others = ", ".join(f"`{pattern}`" for pattern in b.patterns)
        super().__init__(
            Finding(
                "paths-undecided",
                f"Whether {names} stays within {others} cannot be decided in reasonable time.",
                "Use fewer `*` within one segment, or name the folders.",
            )
        )


def overlap(a: Language, b: Language, *, max_states: int = MAX_STATES) -> Witness | None:
    """Find paths by which `a` and `b` collide on some file system; None proves there are none.

    They collide if a path of `a` and one of `b` are equal once folded, or one lies below the
    other: a file cannot stand where a folder does. A witness of the kind `below` means that they
    have no path in common. A search that meets more than `max_states` states is given up, with a
    witness that is not certain.
    """
    below: Witness | None = None
    guess: Witness | None = None
    for ours in a.routes:
        for theirs in b.routes:
            found = meet_routes(ours, theirs)
            if found is None:
                continue
            if not (_keeps(a, found[0]) and _keeps(b, found[1])):
                guess = guess or Witness(*found)
            elif fold(found[0]) == fold(found[1]):
                return Witness(*found)
            else:
                below = below or Witness(*found)
    return below if guess is None else _collide(a, b, below or guess, max_states)


def outside(a: Language, b: Language, *, max_states: int = MAX_STATES) -> str | None:
    """Find a path that `a` holds and `b` does not, code point by code point; None if there is none.

    Raise Undecided if that takes a search of more than `max_states` states.
    """
    if all(_is_covered(route, a, b) for route in a.routes):
        return None
    machine = Automaton((a.routes, a.excepted_routes), (b.routes, b.excepted_routes))
    letters = machine.letters()
    doubtful = False

    def moves(state: State) -> Iterator[Move]:
        for char, after in steps(machine, letters, state):
            if machine.is_live(after[0], _OURS) and not machine.holds_all(after[0], _THEIRS):
                yield char, after

    walk = Walk((machine.start, BARE), moves, max_states)
    for bits, name in walk:
        if is_name(name) and machine.holds(bits, _OURS) and not machine.holds(bits, _THEIRS):
            path = walk.text((bits, name))
            if is_path(path):
                return path
            doubtful = True
    if doubtful or walk.gave_up:
        raise Undecided(a, b)
    return None


def _keeps(language: Language, path: str) -> bool:
    """Say whether the language holds a path that one of its routes was seen to match."""
    return is_path(path) and not language.withholds(path)


def _is_covered(route: Route, a: Language, b: Language) -> bool:
    """Say whether it is plain that `b` holds all that `a` holds by this route."""
    granted = any(_is_within(route, other) for other in b.routes)
    return granted and all(
        pattern in a.excepts or all(meet_routes(route, other) is None for other in pattern.routes)
        for pattern in b.excepts
    )


def _is_within(route: Route, other: Route) -> bool:
    if route.steps == other.steps:
        return True
    folder = other.steps[:-2]
    return (
        other.is_folder
        and len(route.steps) > len(folder)
        and all(step is not None and step.literal is not None for step in folder)
        and route.steps[: len(folder)] == folder
    )


_OURS, _THEIRS = 0, 1
"""The sides of an automaton."""
_DOWN = "//"
"""Stands in a text, once, where one path ends and the other goes on below it."""


def _collide(a: Language, b: Language, known: Witness, max_states: int) -> Witness | None:
    """Search character by character: the exact answer where the plain product cannot give it.

    Exceptions take away every spelling. So whether paths collide depends on their folded forms
    alone, and one text can be read for both sides.
    """
    machine = Automaton(
        (map(respelled, a.routes), a.excepted_routes), (map(respelled, b.routes), b.excepted_routes)
    )
    letters = machine.letters()

    def sides(bits: int) -> list[int]:
        """Give the sides whose paths have not ended."""
        return [side for side in (_OURS, _THEIRS) if machine.is_live(bits, side)]

    def moves(state: State) -> Iterator[Move]:
        going_on = sides(state[0])
        for char, after in steps(machine, letters, state):
            if sides(after[0]) == going_on:
                yield char, after
            if char != "/" or len(going_on) == 1:
                continue
            for upper, lower in ((_OURS, _THEIRS), (_THEIRS, _OURS)):
                rest = machine.without(after[0], upper)
                if machine.holds(state[0], upper) and machine.is_live(rest, lower):
                    yield _DOWN, (rest, BARE)

    if len(sides(machine.start)) < 2:
        return None  # exceptions leave nothing
    walk = Walk((machine.start, BARE), moves, max_states)
    below: Witness | None = None
    doubtful = False
    for bits, name in walk:
        going_on = sides(bits)
        if not (is_name(name) and all(machine.holds(bits, side) for side in going_on)):
            continue
        upper, down, rest = walk.text((bits, name)).partition(_DOWN)
        lower = f"{upper}/{rest}" if down else upper
        if not down:
            theirs = _spelled(b, _spelled(a, lower))
            found = Witness(_spelled(a, theirs), theirs)  # the very same if `a` can
        elif going_on == [_OURS]:
            found = Witness(_spelled(a, lower), _spelled(b, upper))
        else:
            found = Witness(_spelled(a, upper), _spelled(b, lower))
        if not (is_path(found.left) and is_path(found.right)):
            doubtful = True
        elif not down:
            return found
        else:
            below = below or found
    return replace(below or known, certain=False) if doubtful or walk.gave_up else below


def _spelled(language: Language, path: str) -> str:
    """Give the path as the language spells it."""
    spellings = (spelling(route, path) for route in language.routes)
    return next(found for found in spellings if found is not None)

"""Languages as one automaton, whose states are sets of places, kept as bits of an integer.

Each route takes a stretch of bits, one for each place between its tokens. A step moves all places
at once by shifting, so that a state of many hundred places costs a few machine words; states are
made only as a search meets them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise

from coditect.paths.admissible import is_special
from coditect.paths.charset import ANY, CharSet, readable
from coditect.paths.segments import Route


@dataclass(frozen=True, slots=True)
class _Group:
    """Routes side by side."""

    places: int
    ends: int
    """Places where a path that ends is matched."""
    sinks: int
    """Places where a path is matched however it goes on."""


class Automaton:
    """Reads one path from left to right for several languages, its sides; a state is an integer.

    A side is the routes that grant paths and those that withhold them again. What is a path at
    all is left to `admissible`: so the automaton need not know that a segment is never empty.
    """

    def __init__(self, *sides: tuple[Iterable[Route], Iterable[Route]]) -> None:
        self._size = 0
        self._eats: dict[CharSet, int] = {}
        self._eaten: dict[str, int] = {}
        self._slash = self._stay = self._back = self._pass_run = self._pass_runs = 0
        start = 0
        groups = []
        for routes in chain.from_iterable(sides):
            first, ends, sinks = self._size, 0, 0
            for route in routes:
                start |= 1 << self._size
                end = self._add(route)
                ends |= end
                sinks |= end >> 1 if route.is_folder else 0
            groups.append(_Group((1 << self._size) - (1 << first), ends, sinks))
        self._sides = tuple(zip(groups[::2], groups[1::2], strict=True))
        self.start = self._settled(start)

    def holds(self, state: int, side: int) -> bool:
        """Say whether the side's language holds a path that ends here."""
        granted, withheld = self._sides[side]
        return bool(state & granted.ends) and not state & withheld.ends

    def is_live(self, state: int, side: int) -> bool:
        """Say whether the side's language may hold a path that goes on from here."""
        return bool(state & self._sides[side][0].places)

    def holds_all(self, state: int, side: int) -> bool:
        """Say whether the side's language holds whatever path goes on from here."""
        granted, withheld = self._sides[side]
        return bool(state & granted.sinks) and not state & withheld.places

    def without(self, state: int, side: int) -> int:
        """Give the state with one side brought to its end."""
        granted, withheld = self._sides[side]
        return state & ~(granted.places | withheld.places)

    def step(self, state: int, char: str) -> int:
        """Give the state after one more character."""
        if char == "/":
            moved = (state & self._slash) << 1 | (state & self._back) >> 1
        else:
            moved = (state & self._leaving(char)) << 1 | state & self._stay
        return self._settled(moved)

    def letters(self) -> tuple[str, ...]:
        """Give characters that stand for all but `/`, best to read first.

        Any character behaves as one of these does, and that one can end a name wherever the
        other can.
        """
        found: dict[tuple[int, str], str] = {}
        for char in _atoms(frozenset(self._eats)):
            found.setdefault((self._leaving(char), char if is_special(char) else ""), char)
        return tuple(found.values())

    def _leaving(self, char: str) -> int:
        """Give the places that a character other than `/` leads on from."""
        places = self._eaten.get(char)
        if places is None:
            places = 0
            for chars, bits in self._eats.items():
                if char in chars:
                    places |= bits
            self._eaten[char] = places
        return places

    def _settled(self, state: int) -> int:
        """Pass over runs, and forget what no longer matters."""
        # A `**` is never followed by another, nor a `*`, so that one pass is enough.
        state |= (state & self._pass_runs) << 2
        state |= (state & self._pass_run) << 1
        for side, (granted, withheld) in enumerate(self._sides):
            if state & withheld.sinks:
                state = self.without(state, side)
            elif sunk := state & granted.sinks:
                # The other routes can grant nothing more. Were they kept, n patterns `**/x/**`
                # would make 2**n states. A sink is the third of its route's last four places.
                state &= ~granted.places | (sunk & -sunk) * 0b1111 >> 2
        return state

    def _add(self, route: Route) -> int:
        """Lay out a route from the next free bit on; give the bit of its end."""
        for number, step in enumerate(route.steps):
            if number and route.steps[number - 1] is not None:
                self._slash |= self._next()
            if step is None:
                # Two places: before a name that is passed over, and within it.
                self._pass_runs |= self._eat(ANY)
                within = self._next()
                self._stay |= within
                self._back |= within
                continue
            for token in step.tokens:
                if token is None:
                    here = self._next()
                    self._stay |= here
                    self._pass_run |= here
                else:
                    self._eat(token)
        return self._next()

    def _eat(self, chars: CharSet) -> int:
        place = self._next()
        self._eats[chars] = self._eats.get(chars, 0) | place
        return place

    def _next(self) -> int:
        self._size += 1
        return 1 << self._size - 1


@lru_cache(maxsize=1 << 10)
def _atoms(sets: frozenset[CharSet]) -> tuple[str, ...]:
    """Give a character of each stretch of code points that no set divides, best to read first."""
    cuts = {0, ord("/"), ord("/") + 1, 0x110000}
    for chars in sets:
        for first, last in chars.ranges:
            cuts |= {first, last + 1}
    ranked = sorted(readable(first, after - 1) for first, after in pairwise(sorted(cuts)))
    return tuple(char for _, char in ranked if char != "/")

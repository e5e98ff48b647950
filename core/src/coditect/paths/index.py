"""Many languages against each other, without looking at pairs that cannot collide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from operator import or_

from coditect.paths.language import Language
from coditect.paths.product import Witness, overlap

Rivals = Callable[[int], int]
"""For a position, the positions whose claims must not collide with it, as bits of an integer."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two claims that collide."""

    first: int
    """The position of a claim; less than `second`."""
    second: int
    witness: Witness
    """`left` is of the first's language, `right` of the second's."""


@dataclass(frozen=True, slots=True)
class Overlaps:
    """What was found, and whether that is all."""

    found: tuple[Overlap, ...]
    """In the order of positions."""
    truncated: bool
    """Whether there are more."""


@dataclass(frozen=True, slots=True)
class _Holding:
    """A language in a repository with all who hold it: mostly one, or a whole workstream."""

    repository: str
    language: Language
    holders: list[int]
    bits: int
    """The holders."""
    rivals: int
    """All rivals of any holder."""


_Hit = tuple[_Holding, _Holding, Witness]


def find_overlaps(
    claims: Sequence[tuple[str, Language]], rivals: Rivals, *, limit: int
) -> Overlaps:
    """Find which claims, each a repository and a language, collide though they are rivals.

    Claims are known by their position. `rivals(i)` says, as a set of bits, which claims must not
    collide with claim `i`: for tasks, those whose lives can overlap with its own. It must be
    symmetric; a bit for `i` itself is not looked at. Sets, and not pairs, are asked for so that
    thousands of tasks that are in order among themselves are passed over in one operation.

    At most `limit` overlaps are given, first one of each pair of languages, then the others.
    """
    holdings = _holdings(claims, rivals)
    hits = list(islice(_hits(holdings, rivals), limit + 1))
    found = list(islice(_in_turn([_pairs(hit, rivals) for hit in hits]), limit + 1))
    kept = sorted(found[:limit], key=lambda found: (found.first, found.second))
    return Overlaps(tuple(kept), truncated=len(found) > limit)


def _holdings(claims: Sequence[tuple[str, Language]], rivals: Rivals) -> list[_Holding]:
    holders: dict[tuple[str, Language], list[int]] = {}
    for position, claim in enumerate(claims):
        holders.setdefault(claim, []).append(position)
    return [
        _Holding(*claim, positions, _bits(positions), reduce(or_, map(rivals, positions)))
        for claim, positions in holders.items()
    ]


def _bits(positions: Sequence[int]) -> int:
    row = bytearray(positions[-1] // 8 + 1)
    for position in positions:
        row[position // 8] |= 1 << position % 8
    return int.from_bytes(row, "little")


def _hits(holdings: Sequence[_Holding], rivals: Rivals) -> Iterator[_Hit]:
    """Find pairs of languages that collide and have holders who are rivals.

    When routes are sorted by their leads, those whose lead begins the lead at hand form a stack,
    and only they and what comes later can collide with it.
    """
    for holding in holdings:
        fellows = ((holder, rivals(holder) & holding.bits) for holder in holding.holders)
        if any(found and found != 1 << holder for holder, found in fellows):
            yield from _compare(holding, holding)
    owner = {holder: number for number, each in enumerate(holdings) for holder in each.holders}
    leads = sorted(
        (each.repository, lead, number)
        for number, each in enumerate(holdings)
        for lead in {route.lead for route in each.language.routes}
    )
    seen: set[tuple[int, int]] = set()
    stack: list[tuple[str, str, int]] = []
    for repository, lead, number in leads:
        while stack and not (stack[-1][0] == repository and lead.startswith(stack[-1][1])):
            stack.pop()
        holding = holdings[number]
        below = stack[-1][2] if stack else 0
        stack.append((repository, lead, below | holding.bits))
        near = below & holding.rivals & ~holding.bits
        while near:
            other = owner[_lowest(near)]
            near &= ~holdings[other].bits
            pair = (min(number, other), max(number, other))
            if pair not in seen:
                seen.add(pair)
                yield from _compare(holdings[pair[0]], holdings[pair[1]])


def _compare(one: _Holding, other: _Holding) -> Iterator[_Hit]:
    witness = overlap(one.language, other.language)
    if witness is not None:
        yield one, other, witness


def _pairs(hit: _Hit, rivals: Rivals) -> Iterator[Overlap]:
    """Give all rivals among the holders of two languages that collide."""
    one, other, witness = hit
    turned = Witness(witness.right, witness.left, witness.certain)
    for holder in one.holders:
        near = rivals(holder) & other.bits
        if one is other:
            near &= -1 << holder + 1
        while near:
            rival = _lowest(near)
            near &= near - 1
            if holder < rival:
                yield Overlap(holder, rival, witness)
            else:
                yield Overlap(rival, holder, turned)


def _in_turn(rows: Iterable[Iterator[Overlap]]) -> Iterator[Overlap]:
    """Take one of each row, then all that is left."""
    rows = list(rows)
    for row in rows:
        yield from islice(row, 1)
    for row in rows:
        yield from row


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1

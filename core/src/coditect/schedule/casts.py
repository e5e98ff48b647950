"""Which casts a given number of agents allows.

A *cast* says which agents serve which workstreams. Here it is described by blocks: a partition
of the workstreams, each block with the number of agents who serve just that block.

Fewer agents than workstreams: every block has one agent, so the casts are the set partitions.
As many or more: every workstream is a block, and the further agents are shared out. Agents who
serve workstreams of several blocks are not considered: they would be more flexible on paper, and
each of them would have to know, and own, everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count as naturals
from math import comb

from coditect.schedule.problem import Problem

Block = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """Blocks of workstreams, and how many agents each block has."""

    blocks: tuple[Block, ...]
    sizes: tuple[int, ...]

    @property
    def agents(self) -> int:
        """How many agents it has."""
        return sum(self.sizes)

    def named(self, problem: Problem) -> dict[str, tuple[str, ...]]:
        """Agents for each workstream, with the names the plan uses where they fit."""
        taken: set[str] = set()
        found: dict[str, tuple[str, ...]] = {}
        for block, size in zip(self.blocks, self.sizes, strict=True):
            known = [agent for stream in block for agent in problem.cast[stream]]
            names = [agent for agent in dict.fromkeys(known) if agent not in taken][:size]
            for extra in _further(names[0] if names else block[0], bool(names)):
                if len(names) >= size:
                    break
                if extra not in taken and extra not in problem.agents:
                    names.append(extra)
            taken.update(names)
            found.update(dict.fromkeys(block, tuple(names)))
        return {stream: found[stream] for stream in problem.cast if stream in found}


def _further(base: str, taken: bool) -> Iterator[str]:
    """Names for agents that the plan does not have: `base` itself if free, `base-2`, `base-3`."""
    if not taken:
        yield base
    yield from (f"{base}-{number}" for number in naturals(2))


def count(workstreams: int, agents: int) -> int:
    """How many casts there are."""
    if agents < workstreams:
        return _partitions(workstreams, agents)
    return comb(agents - 1, workstreams - 1)


@cache
def _partitions(elements: int, blocks: int) -> int:
    """Stirling's number of the second kind."""
    if blocks in (0, elements):
        return int(blocks == elements)
    return blocks * _partitions(elements - 1, blocks) + _partitions(elements - 1, blocks - 1)


def every(workstreams: Sequence[str], agents: int) -> Iterator[Cast]:
    """All casts with so many agents, in an order that depends on nothing else."""
    if agents < len(workstreams):
        for blocks in _split(tuple(workstreams), agents):
            yield Cast(blocks, (1,) * agents)
    else:
        blocks = tuple((stream,) for stream in workstreams)
        for extra in _shared_out(agents - len(blocks), len(blocks)):
            yield Cast(blocks, tuple(1 + more for more in extra))


def _split(items: Block, parts: int) -> Iterator[tuple[Block, ...]]:
    """All partitions into exactly so many blocks, each with its blocks by first member."""
    if parts == 0 or len(items) < parts:
        if not items and not parts:
            yield ()
        return
    *rest, last = items
    for blocks in _split(tuple(rest), parts):
        for index, block in enumerate(blocks):
            yield (*blocks[:index], (*block, last), *blocks[index + 1 :])
    for blocks in _split(tuple(rest), parts - 1):
        yield (*blocks, (last,))


def _shared_out(extra: int, places: int) -> Iterator[tuple[int, ...]]:
    """All ways to share out so many alike things over so many places."""
    if places == 1:
        yield (extra,)
        return
    for first in range(extra, -1, -1):
        for rest in _shared_out(extra - first, places - 1):
            yield (first, *rest)


def merged(cast: Cast) -> Iterator[Cast]:
    """Every cast with one agent less that joins two blocks of this one."""
    for one in range(len(cast.blocks)):
        for other in range(one + 1, len(cast.blocks)):
            joined = (*cast.blocks[one], *cast.blocks[other])
            blocks = [
                joined if index == one else block
                for index, block in enumerate(cast.blocks)
                if index != other
            ]
            yield Cast(tuple(blocks), (1,) * len(blocks))


def moved(cast: Cast) -> Iterator[Cast]:
    """Every cast that gives one workstream of this one to another block."""
    for source, block in enumerate(cast.blocks):
        for stream in block if len(block) > 1 else ():
            for target in range(len(cast.blocks)):
                if target != source:
                    blocks = list(cast.blocks)
                    blocks[source] = tuple(name for name in block if name != stream)
                    blocks[target] = (*blocks[target], stream)
                    yield Cast(tuple(blocks), cast.sizes)


def joined_by(cast: Cast) -> Iterator[Cast]:
    """Every cast that gives one block of this one a further agent."""
    for index in range(len(cast.sizes)):
        sizes = list(cast.sizes)
        sizes[index] += 1
        yield Cast(cast.blocks, tuple(sizes))


def own(problem: Problem) -> Mapping[str, tuple[str, ...]]:
    """The problem's own cast, without workstreams that nothing demands."""
    return {stream: problem.cast[stream] for stream in problem.workstreams}

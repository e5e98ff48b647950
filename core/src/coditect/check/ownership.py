"""The ownership proof: tasks whose lives can overlap own no common path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from coditect.check.mends import Clash, Mend, Mender
from coditect.check.order import Order
from coditect.check.scope import Scopes
from coditect.findings import Finding, Place, Severity
from coditect.paths import Language, Witness, find_overlaps
from coditect.plan import Plan


class Rivalry:
    """Which tasks can be alive at the same time, as sets of bits over the order's numbers.

    Two tasks are kept apart by the order, or by a workstream of one slot that both belong to. A
    single agent that alone can carry out both keeps them apart too, but only until somebody adds
    another: such pairs are told from the others.
    """

    def __init__(self, plan: Plan, order: Order) -> None:
        self._order = order
        self._all = (1 << len(order.tasks)) - 1
        self._slots: dict[str, int] = {}
        self._single: dict[str, int] = {}
        self._stream_of: list[int] = []
        self._agent_of: list[int] = []
        streams: list[str | None] = []
        agents: list[str | None] = []
        for number, name in enumerate(order.tasks):
            task = plan.tasks[name]
            stream = plan.workstreams.get(task.workstream)
            one_slot = stream is not None and stream.slots <= 1
            streams.append(task.workstream if one_slot else None)
            able = set(stream.agents) if stream is not None else set()
            if task.fallback is not None and task.fallback.agent is not None:
                able.add(task.fallback.agent)
            agents.append(able.pop() if len(able) == 1 else None)
            for key, held in ((streams[-1], self._slots), (agents[-1], self._single)):
                if key is not None:
                    held[key] = held.get(key, 0) | 1 << number
        self._stream_of = [self._slots.get(key, 0) if key else 0 for key in streams]
        self._agent_of = [self._single.get(key, 0) if key else 0 for key in agents]

    @cached_property
    def apart_by_nothing(self) -> list[int]:
        """For each task, those that can be alive with it whenever agents allow."""
        return [
            self._free(number) & ~self._agent_of[number] for number in range(len(self._order.tasks))
        ]

    @cached_property
    def apart_by_agent(self) -> list[int]:
        """For each task, those that only a single common agent keeps from being alive with it."""
        return [
            self._free(number) & self._agent_of[number] for number in range(len(self._order.tasks))
        ]

    def _free(self, number: int) -> int:
        order = self._order
        ordered = order.behind[number] | order.ahead[number] | 1 << number
        return self._all & ~ordered & ~self._stream_of[number]


@dataclass(frozen=True, slots=True)
class Collision:
    """Two tasks that can be alive at once and own a common path, with how many more are like them.

    The others own the very same patterns, as tasks do that take over all of their workstream's.
    """

    first: str
    second: str
    repository: str
    witness: Witness
    pairs: int
    """How many pairs of tasks collide by these two sets of patterns."""
    tasks: tuple[str, ...]
    """All tasks that own one of the two sets and collide with one of the other."""

    @property
    def clash(self) -> Clash:
        """The two tasks alone."""
        return Clash(self.first, self.second, self.repository, self.witness, self.pairs == 1)


def ownership_findings(
    plan: Plan, order: Order, scopes: Scopes, *, max_witnesses: int
) -> Iterator[Finding]:
    """Prove that no two tasks collide, or tell which do, by which path, and how to mend it."""
    rivalry = Rivalry(plan, order)
    mender = Mender(plan, order, scopes)
    for severity, rivals in (
        (Severity.ERROR, rivalry.apart_by_nothing),
        (Severity.WARNING, rivalry.apart_by_agent),
    ):
        if not any(rivals):
            continue
        found, more = collisions(order, scopes, rivals, limit=max_witnesses)
        for collision in found:
            yield overlap_finding(plan, collision, severity, mender.mends(collision.clash))
        if more:
            yield Finding(
                "more-findings",
                f"There are more overlaps than the {max_witnesses} shown.",
                "Mend the first ones and look again.",
                severity,
            )


def collisions(
    order: Order, scopes: Scopes, rivals: list[int], *, limit: int
) -> tuple[list[Collision], bool]:
    """Find which rivals collide, a pair for each two sets of patterns; and whether there are more.

    `rivals` holds for each task the tasks that must not collide with it, as bits.
    """
    found: list[Collision] = []
    nothing = Language(())
    for repository in dict.fromkeys(name for scope in scopes.of.values() for name in scope):
        languages = [scopes.of[task].get(repository, nothing) for task in order.tasks]
        claims = [(repository, language) for language in languages]
        overlaps = find_overlaps(claims, rivals.__getitem__, limit=limit + 1 - len(found))
        holders: dict[Language, int] = {}
        for number, language in enumerate(languages):
            holders[language] = holders.get(language, 0) | 1 << number
        seen: set[frozenset[Language]] = set()
        for overlap in overlaps.found:
            pair = frozenset((languages[overlap.first], languages[overlap.second]))
            if pair in seen:
                continue
            seen.add(pair)
            if len(found) == limit:
                return found, True
            one, other = holders[languages[overlap.first]], holders[languages[overlap.second]]
            count, involved = _count(order, one, other, rivals.__getitem__)
            found.append(
                Collision(
                    order.tasks[overlap.first],
                    order.tasks[overlap.second],
                    repository,
                    overlap.witness,
                    count,
                    tuple(order.tasks[number] for number in order.members(involved)),
                )
            )
    return found, False


def _count(order: Order, one: int, other: int, rivals: Callable[[int], int]) -> tuple[int, int]:
    """Count the pairs of rivals between two sets of tasks, and gather who takes part."""
    pairs, involved = 0, 0
    for number in order.members(one):
        near = rivals(number) & other
        if near:
            pairs += near.bit_count()
            involved |= near | 1 << number
    return (pairs // 2 if one == other else pairs), involved


def overlap_finding(
    plan: Plan, collision: Collision, severity: Severity, remedies: tuple[Mend, ...]
) -> Finding:
    """Put a collision into words, with its remedies as the hint."""
    first, second, witness = collision.first, collision.second, collision.witness
    where = collision.repository
    verb = "own" if witness.certain else "may own (the patterns are too entangled to decide)"
    if witness.left == witness.right:
        what = f"both {verb} `{where}:{witness.left}`"
    else:
        what = (
            f"they {verb} `{where}:{witness.left}` and `{where}:{witness.right}`,"
            " which cannot both stand in one tree"
        )
    others = collision.pairs - 1
    more = f" So do {others:,} more {'pairs' if others > 1 else 'pair'} with the same paths."
    if severity is Severity.ERROR:
        code = "ownership-overlap"
        message = f"Tasks `{first}` and `{second}` can be alive at the same time, and {what}."
    else:
        code = "ownership-overlap-one-agent"
        message = (
            f"Only their one agent keeps `{first}` and `{second}` from being alive at the same"
            f" time, and {what}."
        )
    return Finding(
        code,
        message + (more if others else ""),
        _hint(remedies),
        severity,
        _owns_place(plan, second),
        related=((f"what {first} owns", _owns_place(plan, first)),),
        data=(
            ("tasks", (first, second)),
            ("repository", where),
            ("witness", (witness.left, witness.right)),
            ("certain", witness.certain),
            ("pairs", collision.pairs),
            ("involved", collision.tasks),
            ("mends", tuple(mend.as_data() for mend in remedies)),
        ),
    )


def _hint(remedies: tuple[Mend, ...]) -> str:
    if len(remedies) == 1:
        return remedies[0].words
    numbered = zip("abcd", remedies, strict=False)
    return "Either " + " or ".join(
        f"({letter}) {_lowered(mend.words)}" for letter, mend in numbered
    )


def _lowered(words: str) -> str:
    return words[:1].lower() + words[1:]


def _owns_place(plan: Plan, name: str) -> Place | None:
    task = plan.tasks[name]
    if task.owns:
        return plan.place("tasks", name, "owns")
    return plan.place("tasks", name)

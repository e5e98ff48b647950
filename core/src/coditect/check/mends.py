"""How tasks that collide can be kept apart: remedies that were tried before they are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from coditect.check.critical import Chains
from coditect.check.order import Order
from coditect.check.scope import Scopes, holds
from coditect.paths import Language, Pattern, Undecided, Witness, outside, overlap, parse_pattern
from coditect.plan import HOUR, DeliverableKind, Plan, format_duration


@dataclass(frozen=True, slots=True)
class Mend:
    """One remedy, in words and for machines."""

    kind: str
    """`order`, `narrow`, `narrow-both`, `except`, `one-slot` or `one-owner`."""
    change: str
    """What is to be changed: `tasks.<id>` or `workstreams.<id>`."""
    words: str
    value: tuple[str, ...] = ()
    """What to write: task ids for `order`, paths for the others."""
    cost: int = 0
    """Seconds by which the longest chain of tasks grows."""

    def as_data(self) -> dict[str, Any]:
        """Give the remedy as plain data."""
        return {
            "kind": self.kind,
            "change": self.change,
            "value": list(self.value),
            "cost_hours": self.cost / HOUR,
        }


@dataclass(frozen=True, slots=True)
class Clash:
    """Two tasks that collide in a repository."""

    first: str
    second: str
    repository: str
    witness: Witness
    alone: bool
    """Whether no other two tasks collide by the same two sets of patterns."""


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who says what is owned: a task for itself, or a workstream for tasks that take all of it."""

    key: str
    words: str
    tasks: tuple[str, ...]
    language: Language
    elsewhere: bool
    """Whether it owns paths in other repositories, too."""
    promised: tuple[str, ...]
    """What these tasks deliver in the repository."""


class Mender:
    """Finds remedies in one plan."""

    def __init__(self, plan: Plan, order: Order, scopes: Scopes) -> None:
        self._plan = plan
        self._chains = Chains(order)
        self._scopes = scopes

    def mends(self, clash: Clash) -> tuple[Mend, ...]:
        """Give the remedies for two tasks that collide, those that cost nothing first."""
        found = [self._order(clash)] if clash.alone else []
        found.extend(self._narrowings(clash))
        stream = self._plan.tasks[clash.first].workstream
        if stream == self._plan.tasks[clash.second].workstream:
            found.append(
                Mend(
                    "one-slot",
                    f"workstreams.{stream}",
                    f"Write `slots: 1` for `{stream}`: its tasks then run one after the other.",
                )
            )
        if not any(mend.kind != "order" for mend in found):
            found.append(self._one_owner(clash))
        return tuple(sorted(found, key=lambda mend: mend.cost))

    def _order(self, clash: Clash) -> Mend:
        """Propose the dependency that costs less; tasks without an order can be given either."""
        choices = [(clash.first, clash.second), (clash.second, clash.first)]
        cost, _, before, behind = min(
            (self._chains.cost_of(before, behind), rank, before, behind)
            for rank, (before, behind) in enumerate(choices)
        )
        price = (
            "it lengthens the longest chain of tasks by"
            f" {format_duration(cost, self._plan.calendar.hours_per_day)}"
            if cost
            else "the longest chain of tasks stays as long as it is"
        )
        words = f"Let `{behind}` need `{before}`; {price}."
        return Mend("order", f"tasks.{behind}", words, (before,), cost)

    def _narrowings(self, clash: Clash) -> Iterator[Mend]:
        """Propose narrower paths for one of the two, or for both; the first that works."""
        one, other = self._holder(clash.first, clash), self._holder(clash.second, clash)
        for holder, rival in ((other, one), (one, other)):
            mend = self._to_deliverables(holder, rival.language, clash)
            mend = mend or self._without(holder, rival, clash)
            if mend is not None:
                yield mend
                return
        narrow = self._to_deliverables_both(clash)
        if narrow is not None:
            yield narrow

    def _holder(self, task: str, clash: Clash) -> _Holder:
        plan, scopes = self._plan, self._scopes
        scope = scopes.of[task]
        stream = plan.tasks[task].workstream
        key, words, tasks = f"tasks.{task}", f"`{task}`", [task]
        if not clash.alone:
            tasks = [name for name in plan.tasks if scopes.of[name] == scope]
            if len(tasks) > 1 and not plan.tasks[task].owns:
                key, words = f"workstreams.{stream}", f"workstream `{stream}`"
        promised = [path for name in tasks for path in self._promised(name, clash.repository)]
        language = scope[clash.repository]
        return _Holder(key, words, tuple(tasks), language, len(scope) > 1, tuple(promised))

    def _promised(self, task: str, repository: str) -> list[str]:
        return [
            deliverable.value
            for deliverable in self._plan.tasks[task].deliverables
            if deliverable.kind is DeliverableKind.PATH
            and deliverable.repository == repository
            and _holds(self._scopes.of[task][repository], deliverable.value)
        ]

    def _to_deliverables(self, holder: _Holder, rival: Language, clash: Clash) -> Mend | None:
        """Try to let a task own nothing but what it delivers."""
        if not holder.promised or holder.elsewhere or len(holder.tasks) > 1:
            return None
        if overlap(_only(holder), rival) is not None:
            return None
        paths = tuple(f"{clash.repository}:{path}" for path in holder.promised)
        words = f"Narrow {holder.words} to what it delivers: `owns: {_listed(paths)}`."
        return Mend("narrow", holder.key, words, paths)

    def _to_deliverables_both(self, clash: Clash) -> Mend | None:
        """Try to let each of the two tasks own nothing but what it delivers."""
        first = self._promised(clash.first, clash.repository)
        second = self._promised(clash.second, clash.repository)
        several = any(len(self._scopes.of[name]) > 1 for name in (clash.first, clash.second))
        if not first or not second or several:
            return None
        if overlap(Language.of(*first), Language.of(*second)) is not None:
            return None
        paths = tuple(f"{clash.repository}:{path}" for path in (*first, *second))
        words = (
            f"Let `{clash.first}` own only {_listed(paths[: len(first)])} and `{clash.second}` only"
            f" {_listed(paths[len(first) :])}, which is what they deliver."
        )
        return Mend("narrow-both", f"tasks.{clash.second}", words, paths)

    def _without(self, holder: _Holder, rival: _Holder, clash: Clash) -> Mend | None:
        """Try to take away what the rival owns."""
        if len(holder.tasks) > 1 and holder.key.startswith("tasks."):
            return None  # several tasks say the same for themselves
        common: tuple[Pattern, ...] = tuple(
            pattern
            for pattern in rival.language.patterns
            if overlap(holder.language, Language((pattern,), rival.language.excepts)) is not None
        )
        rest = Language(holder.language.patterns, holder.language.excepts + common)
        if overlap(rest, rival.language) is not None:
            return None
        if not all(_holds(rest, path) for path in holder.promised):
            return None
        if not all(self._survives(task, clash.repository, common) for task in self._beside(holder)):
            return None
        paths = tuple(f"{clash.repository}:{pattern.text}" for pattern in common)
        try:
            nothing_left = outside(rest, Language(())) is None
        except Undecided:
            return None
        if nothing_left and (holder.promised or not holder.elsewhere):
            return None
        if nothing_left:
            words = (
                f"Remove {_listed(paths)} from what {holder.words} owns; it delivers nothing there."
            )
        else:
            words = (
                f"Take what {rival.words} owns away from {holder.words}:"
                f" `except: {_listed(paths)}`."
            )
        return Mend("except", holder.key, words, paths)

    def _beside(self, holder: _Holder) -> Iterator[str]:
        """Give the tasks that lose a path, too, if the holder does, though they own another set."""
        section, _, name = holder.key.partition(".")
        if section == "workstreams":
            for task, value in self._plan.tasks.items():
                if value.workstream == name and task not in holder.tasks:
                    yield task

    def _survives(self, task: str, repository: str, taken: tuple[Pattern, ...]) -> bool:
        """Say whether a task keeps what it promises, and any path at all, without these."""
        language = self._scopes.of[task].get(repository)
        if language is None:
            return True
        rest = Language(language.patterns, language.excepts + taken)
        try:
            left = outside(rest, Language(())) is not None
        except Undecided:
            return False
        return left and all(_holds(rest, path) for path in self._promised(task, repository))

    def _one_owner(self, clash: Clash) -> Mend:
        """Name the one that should keep the common path: who delivers it, else the first."""
        keeper, other, path = clash.first, clash.second, clash.witness.left
        promised = self._promised(clash.second, clash.repository)
        if any(_is_below(item, clash.witness.right) for item in promised):
            keeper, other, path = clash.second, clash.first, clash.witness.right
        mine = self._promised(keeper, clash.repository)
        reason = " (it delivers that)" if any(_is_below(item, path) for item in mine) else ""
        where = f"{clash.repository}:{path}"
        words = f"Let only `{keeper}` own `{where}`{reason}, and narrow `{other}` to other paths."
        return Mend("one-owner", f"tasks.{other}", words, (where,))


def _only(holder: _Holder) -> Language:
    return Language(tuple(map(parse_pattern, holder.promised)), holder.language.excepts)


def _listed(paths: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{path}"' for path in paths) + "]"


def _is_below(promise: str, path: str) -> bool:
    return path == promise or (promise.endswith("/") and path.startswith(promise))


def _holds(language: Language, path: str) -> bool:
    try:
        return holds(language, path)
    except Undecided:
        return False

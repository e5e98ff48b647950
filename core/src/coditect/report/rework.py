"""Rework: files that were integrated and are changed again by a later task. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

Changes = Callable[[str, str], Sequence[str]]
"""Gives the paths that a merge commit of a repository changes on its first parent."""


@dataclass(frozen=True, slots=True)
class Rework:
    """What each integrated task changed, and what of that others had brought in before."""

    changed: Mapping[str, tuple[str, ...]]
    again: Mapping[str, tuple[tuple[str, str], ...]]
    """Task -> paths with the task that changed them first; tasks without any are not here."""

    @property
    def share(self) -> float | None:
        """The share of all changes that was rework; None if nothing was changed."""
        total = sum(len(paths) for paths in self.changed.values())
        if not total:
            return None
        return sum(len(paths) for paths in self.again.values()) / total


def rework(merges: Iterable[tuple[str, str, str]], changes: Changes) -> Rework:
    """Go through the merges (task, repository, commit) in their order."""
    first: dict[tuple[str, str], str] = {}
    changed: dict[str, tuple[str, ...]] = {}
    again: dict[str, tuple[tuple[str, str], ...]] = {}
    for task, repository, commit in merges:
        paths = tuple(sorted(set(changes(repository, commit))))
        changed[task] = paths
        met = tuple(
            (path, first[repository, path]) for path in paths if (repository, path) in first
        )
        if met:
            again[task] = met
        for path in paths:
            first.setdefault((repository, path), task)
    return Rework(changed, again)

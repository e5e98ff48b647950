"""What each task may write: its languages, one a repository."""

from __future__ import annotations

from collections.abc import Mapping

from coditect.paths import Language, outside, parse_pattern
from coditect.plan import OwnedPath, Plan

EVERYTHING = parse_pattern("**")


class Scopes:
    """The languages of all tasks; unlike the plan's own, also of tasks with unknown names.

    Tasks that own the same patterns share one language.
    """

    def __init__(self, plan: Plan) -> None:
        self._made: dict[tuple[tuple[OwnedPath, ...], ...], dict[str, Language]] = {}
        self.of: Mapping[str, Mapping[str, Language]] = {
            task: self._scope(plan, task) for task in plan.tasks
        }
        """For each task: repository -> language. Empty for a task that owns nothing."""
        self.of_stream: Mapping[str, Mapping[str, Language]] = {
            name: self._languages(stream.owns, stream.excepts)
            for name, stream in plan.workstreams.items()
        }
        """For each workstream: repository -> language."""

    def holds(self, task: str, repository: str, path: str) -> bool:
        """Say whether a task may write this path; of a folder (`x/`), something in it.

        Raises Undecided as `outside` does.
        """
        language = self.of[task].get(repository)
        return language is not None and holds(language, path)

    def _scope(self, plan: Plan, name: str) -> dict[str, Language]:
        task = plan.tasks[name]
        stream = plan.workstreams.get(task.workstream)
        owns = task.owns or (stream.owns if stream is not None else ())
        excepts = task.excepts + (stream.excepts if stream is not None else ())
        return self._languages(owns, excepts)

    def _languages(
        self, owns: tuple[OwnedPath, ...], excepts: tuple[OwnedPath, ...]
    ) -> dict[str, Language]:
        known = self._made.get((owns, excepts))
        if known is not None:
            return known
        made = {
            repository: Language(
                tuple(path.pattern for path in owns if path.repository == repository),
                tuple(path.pattern for path in excepts if path.repository == repository),
            )
            for repository in dict.fromkeys(path.repository for path in owns)
        }
        self._made[owns, excepts] = made
        return made


def holds(language: Language, path: str) -> bool:
    """Say whether a language holds a path; of a folder (`x/`), something in it."""
    if not path.endswith("/"):
        return language.matches(path)
    # Something below the folder is granted if not everything there is outside what is granted.
    below = Language((parse_pattern(path),), language.excepts)
    return outside(below, Language((EVERYTHING,), language.patterns)) is not None

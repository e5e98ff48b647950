"""The seam between the engine and whoever does the work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from coditect.plan.model import Deliverable


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """All that an agent is told, and where it works."""

    run: str
    task: str
    title: str
    workstream: str
    brief: str = ""
    deliverables: tuple[Deliverable, ...] = ()
    owns: tuple[str, ...] = ()
    """Globs within the repository that it may change."""
    excepts: tuple[str, ...] = ()
    """Globs taken away from `owns`."""
    repository: str | None = None
    """The one that it writes: the name under which the plan has it."""
    secrets: Path | None = None
    """A folder with the secrets it is given, and for those that it hands over."""
    number: int
    """Of the attempt, from 1."""
    agent: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """What the plan says for the adapter of this agent."""
    command: str | None = None
    """The shell command of the task, or else of its agent."""
    lane: Path
    folder: Path
    """The attempt folder."""
    reads: Mapping[str, Path] = field(default_factory=dict)
    """Checkouts of other repositories, by name, that it may read."""
    effort: int = 0
    """Seconds of work that the plan expects."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a supervisor starts."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    """The whole environment, beside `inherit`."""
    inherit: tuple[str, ...] = ()
    """Variables of the coordinator that are passed on without being written down anywhere."""


@dataclass(frozen=True, slots=True)
class AgentUsage:
    """What an agent says that it used; None where it does not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    """In the currency of its provider."""


class Adapter(Protocol):
    """Knows one kind of agent. It has no state of its own; any thread may use it."""

    def prepare(self, assignment: Assignment) -> Command:
        """Put what the agent needs into the attempt folder, and say how it is started.

        Raises CoditectError if the settings do not make sense to this adapter.
        """
        ...

    def usage(self, folder: Path) -> AgentUsage:
        """Read from an attempt folder what the agent said it used; also while it runs."""
        ...

"""What carrying out effects on this machine needs: the run's book and its repositories, opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coditect.agents import Launcher
from coditect.findings import Finding, Severity
from coditect.git import Lane, Repository, RunRefs, Trailers
from coditect.plan.model import Plan, Task
from coditect.run.book import Book
from coditect.run.events import Told
from coditect.run.home import RunFolder
from coditect.run.program import Settings
from coditect.run.start import engine_folder
from coditect.run.state import Attempt


@dataclass(frozen=True)
class Context:
    """One run on this machine. Immutable; shared by all effect threads."""

    run: str
    plan: Plan
    settings: Settings
    folder: RunFolder
    repositories: Mapping[str, Repository]
    launcher: Launcher | None

    @classmethod
    def open(cls, book: Book, launcher: Launcher | None, hold: tuple[int, ...] = ()) -> Context:
        """Open the repositories that a run began with.

        `hold` has the run lock's descriptor: a git that outlives a killed coordinator keeps the
        next one out until it has ended.
        """
        return cls(
            run=book.run,
            plan=book.plan,
            settings=book.settings,
            folder=book.folder,
            repositories={
                name: Repository.open(Path(path), engine_folder(book.folder, name), hold=hold)
                for name, path in book.started.repositories.items()
            },
            launcher=launcher,
        )

    @property
    def refs(self) -> RunRefs:
        """The run's refs, the same in every repository."""
        return RunRefs(self.run)

    def task(self, attempt: Attempt) -> Task:
        """The task an attempt is made at."""
        return self.plan.tasks[attempt.task]

    def repository_name(self, attempt: Attempt) -> str:
        """The one repository that an attempt writes; a checked plan has one for each task."""
        name = self.plan.repository_of(attempt.task)
        assert name is not None
        return name

    def repository(self, attempt: Attempt) -> Repository:
        """The same, opened."""
        return self.repositories[self.repository_name(attempt)]

    def attempt_folder(self, attempt: Attempt) -> Path:
        """Where an attempt keeps what is not git's."""
        return self.folder.attempt(attempt.task, attempt.number)

    def lane(self, attempt: Attempt) -> Lane:
        """The lane of an attempt's slot."""
        stream = self.task(attempt).workstream
        name = self.repository_name(attempt)
        return Lane(self.repositories[name], self.folder.lane(stream, attempt.slot, name))

    def trailers(self, attempt: Attempt) -> Trailers:
        """Who did it, for commit messages."""
        return Trailers(self.run, attempt.task, attempt.number, attempt.agent)

    def adapter(self, agent: str) -> str:
        """Which adapter an agent is driven by in this run."""
        return "rehearsal" if self.settings.rehearse else self.plan.agents[agent].adapter

    def rehearsed(self, agent: str) -> bool:
        """Whether an agent is a stand-in, whose work only presence checks can judge."""
        return self.adapter(agent) == "rehearsal"


def told(finding: Finding) -> Told:
    """Give a finding as the journal keeps it."""
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "message": finding.message,
        "hint": finding.hint,
        "data": dict(finding.data),
    }


def is_error(told: Told) -> bool:
    """Say whether a finding in the journal's form refuses something."""
    return bool(told.get("severity", Severity.ERROR) == Severity.ERROR)

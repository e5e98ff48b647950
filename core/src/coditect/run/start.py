"""Begins a run: everything is looked at before anything is written."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from coditect.check import check
from coditect.findings import CoditectError, Finding, errors
from coditect.git import Repository, swap
from coditect.plan.model import Plan
from coditect.run.events import RunStarted
from coditect.run.home import Home, RunFolder, RunLock
from coditect.run.journal import Writer
from coditect.run.program import Settings
from coditect.schedule import problem_of, ranks, solve


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a plan's repositories are."""

    root: Path
    overrides: Mapping[str, Path]
    """Repository -> its folder, in place of the plan's."""
    create: bool = False
    """Whether missing repositories are made."""

    def paths(self, plan: Plan) -> dict[str, Path]:
        """Give every repository's absolute path."""
        unknown = sorted(self.overrides.keys() - plan.repositories.keys())
        if unknown:
            raise CoditectError.of(
                "unknown-repository",
                f"The plan has no repository `{unknown[0]}`.",
                f"It has: {', '.join(sorted(plan.repositories))}",
            )
        return {
            name: self.overrides.get(name, self.root / repository.path).absolute()
            for name, repository in plan.repositories.items()
        }


def engine_folder(folder: RunFolder, repository: str) -> Path:
    """Where the engine keeps its own git directory for a repository."""
    return folder.path / "git" / repository


def open_repositories(plan: Plan, workspace: Workspace, folder: RunFolder) -> dict[str, Repository]:
    """Open every repository of a plan, or raise with what is wrong with each."""
    found: dict[str, Repository] = {}
    date = int(time.time())
    findings: list[Finding] = []
    for name, path in workspace.paths(plan).items():
        engine = engine_folder(folder, name)
        try:
            if workspace.create and not path.exists():
                Repository.create(path, plan.repositories[name].branch, engine, date=date)
            found[name] = Repository.open(path, engine)
        except CoditectError as error:
            findings.extend(error.findings)
    if findings:
        raise CoditectError(*findings)
    return found


def begin(
    home: Home,
    plan: Plan,
    plan_file: Path,
    text: str,
    settings: Settings,
    workspace: Workspace,
    run: str | None = None,
) -> str:
    """Check the plan, fix the bases, and write the run's first event; give the run's id.

    Nothing is written to a repository but a ref that keeps each base from being collected.
    """
    bad = errors(check(plan))
    if bad:
        raise CoditectError(*bad)
    run = run or home.new_run(plan.name)
    folder = home.folder(run)
    repositories = open_repositories(plan, workspace, folder)
    bases = {
        name: repository.head(plan.repositories[name].branch)
        for name, repository in repositories.items()
    }
    problem = problem_of(plan)
    schedule = solve(problem, seconds=2.0)
    rank = ranks(problem)
    planned = {name: (booking.start, booking.finish) for name, booking in schedule.bookings.items()}
    with RunLock(folder):
        for name, repository in repositories.items():
            repository.pin(run, bases[name])
            swap(repository, repository.run_refs(run).integration, bases[name], None)
        writer = Writer(home.journal_file, run)
        try:
            writer.append(
                [
                    RunStarted(
                        plan_file=str(plan_file),
                        plan_text=text,
                        bases=bases,
                        planned=planned,
                        order=tuple(sorted(rank, key=lambda name: (rank[name], name))),
                        settings=asdict(settings),
                        repositories={
                            name: str(path) for name, path in workspace.paths(plan).items()
                        },
                    )
                ]
            )
        finally:
            writer.close()
    return run


def unfinished(home: Home, plan: Plan, paths: Sequence[Path]) -> str | None:
    """Find the newest unfinished run of this very plan in these very repositories."""
    from coditect.run.book import Book  # noqa: PLC0415 - keeps the layers below free of it

    wanted = sorted(str(path) for path in paths)
    for run, _, _ in reversed(home.journal.runs()):
        book = Book.open(home, run)
        same = sorted(book.started.repositories.values()) == wanted
        if same and book.plan.digest == plan.digest and not book.state.finished:
            return run
    return None

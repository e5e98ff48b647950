"""Begins a run: everything is looked at before anything is written."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from coditect.agents import ADAPTERS
from coditect.check import check
from coditect.findings import CoditectError, Finding, errors
from coditect.git import Repository, swap
from coditect.plan.model import DeliverableKind, Plan
from coditect.run.book import Book
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
    """Open every repository of a plan, or raise with what is wrong with each.

    Missing ones are made, if that is wanted, once nothing is wrong with the others.
    """
    places = workspace.paths(plan)
    missing = {name for name, path in places.items() if workspace.create and not path.exists()}
    found: dict[str, Repository] = {}
    findings: list[Finding] = []
    for name in places.keys() - missing:
        try:
            found[name] = Repository.open(places[name], engine_folder(folder, name))
        except CoditectError as error:
            findings.extend(error.findings)
    findings.extend(_same(plan, places, found))
    if findings:
        raise CoditectError(*findings)
    date = int(time.time())
    for name in sorted(missing):
        branch = plan.repositories[name].branch
        found[name] = Repository.create(
            places[name], branch, engine_folder(folder, name), date=date
        )
    return {name: found[name] for name in places}


def _same(
    plan: Plan, places: Mapping[str, Path], found: Mapping[str, Repository]
) -> Iterator[Finding]:
    """Tell repositories of the plan that are one on disk: there, a run has one integration ref."""
    first: dict[Path, str] = {}
    for name, path in places.items():
        where = found[name].common if name in found else path
        other = first.setdefault(where.resolve(), name)
        if other != name:
            yield Finding(
                "same-repository",
                f"Repositories `{other}` and `{name}` are one and the same: {path}.",
                "Make them one in the plan, or name another folder: coditect run -r NAME=PATH",
                place=plan.place("repositories", name),
            )


def _not_runnable(plan: Plan, settings: Settings) -> Iterator[Finding]:
    """Tell what a run needs beside a good plan: adapters for its agents."""
    if settings.rehearse:
        return
    for agent in plan.agents.values():
        if agent.adapter not in ADAPTERS:
            yield Finding(
                "unknown-adapter",
                f"Agent `{agent.id}` is driven by `{agent.adapter}`, which is not installed here.",
                f"Use one of: {', '.join(sorted(ADAPTERS))}. A rehearsal needs none.",
                place=plan.place("agents", agent.id, "adapter"),
            )


def _tags(plan: Plan, repositories: Mapping[str, Repository]) -> Iterator[Finding]:
    """Tell tags that the plan is to make and that are there already."""
    promised = [
        (deliverable, ("tasks", task.id, "deliverable"))
        for task in plan.tasks.values()
        for deliverable in task.deliverables
    ]
    promised += [
        (gate.deliverable, ("checkpoints", gate.id, "deliverable"))
        for gate in plan.checkpoints.values()
        if gate.deliverable
    ]
    for each, keys in promised:
        if each.kind is not DeliverableKind.TAG or each.repository is None:
            continue
        repository = repositories[each.repository]
        if repository.resolve(f"refs/tags/{each.value}") is not None:
            yield Finding(
                "tag-exists",
                f"The plan is to make the tag {each.value}, which {repository.path} has already.",
                f"Delete it (`git -C {repository.path} tag -d {each.value}`), or plan another.",
                place=plan.place(*keys),
            )


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

    Nothing is written to a repository but a ref that keeps each base from being collected, and the
    run's integration ref. If the run cannot begin, nothing of it stays.
    """
    bad = (*errors(check(plan)), *_not_runnable(plan, settings))
    if bad:
        raise CoditectError(*bad)
    run = run or home.new_run(plan.name)
    folder = home.folder(run)
    if folder.path.exists():
        raise CoditectError.of(
            "run-exists", f"There is a run {run} already.", f"Go on with: coditect resume {run}"
        )
    try:
        _begin(home, plan, plan_file, text, settings, workspace, folder)
    except BaseException as error:
        shutil.rmtree(folder.path, ignore_errors=True)
        if isinstance(error, OSError):
            raise CoditectError.of(
                "run-not-begun",
                f"Run {run} cannot begin: {error}.",
                "See to the free space and the permissions of that place.",
            ) from error
        raise
    return run


def _begin(
    home: Home,
    plan: Plan,
    plan_file: Path,
    text: str,
    settings: Settings,
    workspace: Workspace,
    folder: RunFolder,
) -> None:
    run = folder.run
    repositories = open_repositories(plan, workspace, folder)
    bases = {
        name: repository.head(plan.repositories[name].branch)
        for name, repository in repositories.items()
    }
    taken = tuple(_tags(plan, repositories))
    if taken:
        raise CoditectError(*taken)
    problem = problem_of(plan)
    schedule = solve(problem, seconds=2.0)
    rank = ranks(problem)
    started = RunStarted(
        plan_file=str(plan_file),
        plan_text=text,
        bases=bases,
        planned={name: (booked.start, booked.finish) for name, booked in schedule.bookings.items()},
        order=tuple(sorted(rank, key=lambda name: (rank[name], name))),
        settings=asdict(settings),
        repositories={name: str(path) for name, path in workspace.paths(plan).items()},
    )
    with RunLock(folder):
        writer = Writer(home.journal_file, run)
        try:
            for name, repository in repositories.items():
                repository.pin(run, bases[name])
                swap(repository, repository.run_refs(run).integration, bases[name], None)
            writer.append([started])
        except BaseException:
            for repository in repositories.values():
                for ref in (repository.run_refs(run).base, repository.run_refs(run).integration):
                    with contextlib.suppress(CoditectError, OSError):
                        repository.refs.run("update-ref", "-d", ref)
            raise
        finally:
            writer.close()


def runs_of(home: Home, plan: Plan, paths: Sequence[Path]) -> Iterator[Book]:
    """Give the runs of this very plan in these very repositories, the newest first."""
    wanted = sorted(str(path) for path in paths)
    for run, _, _ in reversed(home.journal.runs()):
        try:
            book = Book.open(home, run)
            same = sorted(book.started.repositories.values()) == wanted
            if same and book.plan.digest == plan.digest:
                yield book
        except CoditectError:
            continue  # Written by another version, or broken: it keeps nobody from beginning anew.


def unfinished(home: Home, plan: Plan, paths: Sequence[Path]) -> str | None:
    """Find the newest unfinished run of this very plan in these very repositories."""
    found = (book.run for book in runs_of(home, plan, paths) if not book.state.finished)
    return next(found, None)

"""A real run in a folder of its own: a plan, repositories with a history, a home."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from coditect.plan import load_plan
from coditect.plan.model import Plan
from coditect.run import events as ev
from coditect.run.book import Book
from coditect.run.coordinator import carry_on
from coditect.run.home import Home
from coditect.run.journal import Journal
from coditect.run.program import Settings
from coditect.run.shell import Listener
from coditect.run.start import Workspace, begin

Kind = TypeVar("Kind")
Files = Mapping[str, str]

ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "User",
    "GIT_AUTHOR_EMAIL": "user@example.org",
    "GIT_COMMITTER_NAME": "User",
    "GIT_COMMITTER_EMAIL": "user@example.org",
}
"""The user's, for the git commands that he types himself."""


def git(place: Path, *args: str, ok: bool = True) -> str:
    """Type a git command as the user."""
    done = subprocess.run(
        ["git", *args],
        cwd=place,
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0 or not ok, done.stderr
    return done.stdout.strip()


def write(top: Path, files: Files) -> None:
    """Write files below a folder."""
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def repository(place: Path, files: Files | None = None, *, bare: bool = False) -> Path:
    """Make a repository with one commit; a bare one has no checkout that could be in the way."""
    place.mkdir(parents=True)
    git(place, "init", "-q", "-b", "main")
    write(place, files or {"README": "hello\n"})
    git(place, "add", "-A")
    git(place, "commit", "-q", "-m", "Start")
    if bare:
        top = place.with_name(place.name + ".git")
        git(place.parent, "clone", "-q", "--bare", str(place), str(top))
        return top
    return place


@dataclass
class Outing:
    """One run of a plan."""

    folder: Path
    plan: Plan
    places: dict[str, Path]
    run: str

    @classmethod
    def begin(
        cls, folder: Path, text: str, files: Mapping[str, Files] | None = None, **settings: Any
    ) -> Outing:
        """Make the plan's repositories, each with a checkout aside, and begin a run.

        Retries come quickly, and checkpoints need nobody, unless the settings say otherwise.
        """
        folder.mkdir(parents=True, exist_ok=True)
        plan = load_plan(folder / "plan.yaml", text=text)
        places = {
            name: repository(folder / "repositories" / name, (files or {}).get(name))
            for name in plan.repositories
        }
        for place in places.values():
            git(place, "checkout", "-q", "--detach")  # So that `main` is free to land on.
        chosen = Settings(**{"approve_all": True, "backoff": 10, **settings})
        workspace = Workspace(folder / "repositories", places)
        home = Home(folder / "home")
        run = begin(home, plan, folder / "plan.yaml", text, chosen, workspace)
        return cls(folder, plan, places, run)

    @property
    def home(self) -> Home:
        """Where the run is."""
        return Home(self.folder / "home")

    @property
    def top(self) -> Path:
        """The run's folder."""
        return self.home.folder(self.run).path

    @property
    def book(self) -> Book:
        """The run as the journal tells it now."""
        return Book.open(self.home, self.run)

    def carry_on(self, listener: Listener | None = None) -> str | None:
        """Carry the run on in this process, to its end; gives the outcome."""
        return carry_on(self.home, self.run, lambda book: listener or (lambda entry, state: None))

    def events(self, kind: type[Kind]) -> list[Kind]:
        """Give the journal's events of a kind."""
        entries = Journal(self.home.journal_file).entries(self.run)
        return [entry.event for entry in entries if isinstance(entry.event, kind)]

    def why(self, task: str) -> str:
        """Give a task's last failure."""
        return self.book.state.tasks[task].why

    def failures(self, task: str) -> list[ev.AttemptFailed]:
        """Give a task's failures."""
        return [event for event in self.events(ev.AttemptFailed) if event.task == task]

    def files(self, name: str, ref: str | None = None) -> dict[str, str]:
        """Give the files on a ref of a repository, by default the integration ref."""
        place = self.places[name]
        ref = ref or f"refs/coditect/{self.run}/integration"
        names = git(place, "ls-tree", "-r", "--name-only", ref).splitlines()
        return {each: git(place, "show", f"{ref}:{each}") for each in names}

    def attempt(self, task: str, number: int = 1) -> Path:
        """An attempt's folder."""
        return self.home.folder(self.run).attempt(task, number)

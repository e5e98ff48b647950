"""A run to disturb: repositories, a home, lives of coordinators, and what must hold at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from coditect.git import Repository, history
from coditect.plan import load_plan
from coditect.run import events as ev
from coditect.run.book import Book
from coditect.run.home import Home, ask
from coditect.run.program import Settings
from coditect.run.start import Workspace, begin

HERE = Path(__file__).parent
PATHS = os.pathsep.join(str(path) for path in (HERE.parent, HERE.parent.parent / "core/src"))

PLAN = """\
schema: 1
name: chaos
repositories:
  one: {}
  two: {}
agents:
  ann: {adapter: rehearsal}
  ben: {adapter: rehearsal}
  eve: {adapter: rehearsal}
workstreams:
  left: {agents: ann, owns: "one:left/"}
  right: {agents: ben, owns: "one:right/"}
  far: {agents: eve, owns: ["two:far/"]}
tasks:
  l1: {workstream: left, effort: 1h, deliverable: "one:left/l1.md"}
  r1: {workstream: right, effort: 1h, deliverable: "one:right/r1.md"}
  f1: {workstream: far, effort: 2h, deliverable: "two:far/f1.md"}
  l2: {workstream: left, effort: 1h, needs: l1, deliverable: ["one:left/l2.md", {tag: "one:v1"}]}
  r2: {workstream: right, effort: 1h, needs: [r1, l1], deliverable: "one:right/r2.md"}
  meet: {workstream: left, effort: 1h, needs: l2, deliverable: "one:left/meet.md"}
  r3: {workstream: right, effort: 1h, needs: meet, deliverable: "one:right/r3.md"}
  f2: {workstream: far, effort: 1h, needs: f1, deliverable: {secret: word}}
  l3: {workstream: left, effort: 1h, deliverable: "one:left/l3.md"}
checkpoints:
  middle:
    participants: [left, right, far]
    after: [r2, f1]
    before: [l3, f2]
    duration: 1h
    approval: true
    deliverable: {tag: "one:v0"}
  together: {participants: [left, right], during: meet}
"""


@dataclass
class Scene:
    """One run of the chaos plan in a folder of its own."""

    home: Home
    run: str
    places: dict[str, Path]

    @classmethod
    def set(
        cls, folder: Path, *, pace: int = 60, plan: Path | None = None, orphan_after: float = 600.0
    ) -> Scene:
        """Begin a run; nothing is carried out yet."""
        folder.mkdir(parents=True, exist_ok=True)
        if plan is None:
            plan = folder / "plan.yaml"
            plan.write_text(PLAN, encoding="utf-8")
        text = plan.read_text(encoding="utf-8")
        loaded = load_plan(plan, text=text)
        home = Home(folder / "home")
        settings = Settings(
            rehearse=True,
            pace=pace,
            approve_all=True,
            update_checkout=True,
            backoff=50,
            orphan_after=orphan_after,
        )
        place = Workspace(folder / "repositories", {}, create=True)
        place.root.mkdir()
        run = begin(home, loaded, plan, text, settings, place)
        return cls(home, run, place.paths(loaded))

    def start(self, *when: str, path: str | None = None) -> subprocess.Popen[bytes]:
        """Begin a life of the coordinator."""
        environment = {**os.environ, "PYTHONPATH": PATHS}
        if path:
            environment["PATH"] = path
        argv = [sys.executable, "-m", "chaos.life", str(self.home.path), self.run, *when]
        return subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL)

    def live(self, *when: str, path: str | None = None) -> int:
        """Live one life to its end; gives how it ended."""
        return self.start(*when, path=path).wait(timeout=300)

    def finish(self) -> None:
        """Let a last life bring the run to its end."""
        assert self.live("never") == 0

    @property
    def book(self) -> Book:
        """The run as the journal tells it."""
        return Book.open(self.home, self.run)

    def retry(self, task: str) -> None:
        """Ask that a parked task be tried again, as a person would."""
        ask(self.home.folder(self.run), "retry", subject=task, by="chaos")

    def supervisors(self) -> list[psutil.Process]:
        """The supervisors that live now."""
        found = []
        for owner in self.home.folder(self.run).path.glob("attempts/*/*/owner"):
            said = json.loads(owner.read_text() or "{}")
            try:
                process = psutil.Process(said.get("pid", 0))
                if said.get("owner") == "claimed" and "python" in process.name():
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def agents(self) -> list[psutil.Process]:
        """The stand-ins that live now."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or ())
            if "rehearsal_agent" in line and str(self.home.path) in line:
                found.append(process)
        return found

    def wait_for(self, kind: str, number: int = 1) -> None:
        """Wait until the journal has so many facts of a kind."""
        end = time.monotonic() + 60
        while sum(entry.event.kind == kind for entry in self.book.entries) < number:
            assert time.monotonic() < end, f"no {kind}"
            time.sleep(0.01)

    def trees(self) -> dict[str, str]:
        """What is on the integration refs, and on the target branches."""
        found = {}
        for name, path in self.places.items():
            for ref in (f"refs/coditect/{self.run}/integration", "refs/heads/main"):
                argv = ["git", "-C", str(path), "rev-parse", f"{ref}^{{tree}}"]
                done = subprocess.run(argv, capture_output=True, text=True, check=True)
                found[f"{name} {ref.rpartition('/')[2]}"] = done.stdout.strip()
        return found

    def assert_whole(self) -> None:
        """Hold the end of the run against E3, E5 and E6."""
        book = self.book
        assert book.state.finished == "succeeded"
        for name, path in self.places.items():
            repository = Repository.open(path, self.home.path / "look" / name)
            merges = history(
                repository,
                book.started.bases[name],
                f"refs/coditect/{self.run}/integration",
            )
            who = Counter(merge.trailers.task for merge in merges if merge.trailers)
            expected = {t for t in book.plan.tasks if book.plan.repository_of(t) == name}
            assert who == Counter(dict.fromkeys(expected, 1)), "integrated twice, or not at all"
            locks = list((repository.common / "refs/coditect").rglob("*.lock"))
            assert not locks, f"locks are left: {locks}"
        integrated = Counter(
            entry.event.task for entry in book.entries if isinstance(entry.event, ev.Integrated)
        )
        assert set(integrated) == set(book.plan.tasks)
        assert set(integrated.values()) == {1}
        self.assert_no_process()

    def assert_no_process(self) -> None:
        """Nothing of the run lives any more."""
        end = time.monotonic() + 10
        while self.supervisors() or self.agents():
            assert time.monotonic() < end, [*self.supervisors(), *self.agents()]
            time.sleep(0.02)

    def assert_nobody_started_twice(self) -> None:
        """An agent that was at work when the coordinator died was attached again."""
        attached = {
            (entry.event.task, entry.event.number)
            for entry in self.book.entries
            if isinstance(entry.event, ev.AttemptAttached)
        }
        lost = {
            (entry.event.task, entry.event.number)
            for entry in self.book.entries
            if isinstance(entry.event, ev.AttemptLost)
        }
        assert not attached & lost

    def end(self) -> None:
        """Kill whatever a failed test left."""
        for process in (*self.supervisors(), *self.agents()):
            process.send_signal(signal.SIGKILL)

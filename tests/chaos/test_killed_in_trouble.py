"""`kill -9` of the coordinator of a run in trouble, at each kind of event that there is."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.scene import Scene
from coditect.run import events as ev
from coditect.run.home import ask

PLAN = """\
schema: 1
name: trouble
repositories: {one: {}}
agents:
  ann:
    adapter: rehearsal
    settings:
      trick.flaky: crash
      tricks-until.flaky: 1
      trick.rescued: fail
      trick.stray: stray
      tricks-until.stray: 1
  ben: {adapter: rehearsal}
  eve: {adapter: rehearsal}
workstreams:
  left: {agents: ann, owns: "one:left/"}
  right: {agents: ben, owns: "one:right/"}
tasks:
  flaky: {workstream: left, effort: 1h, retries: 1, deliverable: "one:left/flaky.md"}
  rescued:
    workstream: left
    effort: 1h
    retries: 0
    deliverable: "one:left/rescued.md"
    fallback: {agent: eve, brief: Do it yourself.}
  stray: {workstream: left, effort: 1h, retries: 0, deliverable: "one:left/stray.md"}
  lost: {workstream: right, effort: 40h, deliverable: "one:right/lost.md"}
  broken:
    workstream: right
    effort: 1h
    needs: lost
    retries: 0
    deliverable: "one:right/broken.md"
  unwanted: {workstream: right, effort: 1h, needs: lost, deliverable: "one:right/unwanted.md"}
  behind: {workstream: right, effort: 1h, needs: stray, deliverable: "one:right/behind.md"}
checkpoints:
  meet:
    participants: [left, right]
    after: [flaky, rescued, lost]
    before: behind
    duration: 1h
    approval: true
    deliverable: {tag: "one:v1"}
risks:
  strays: {title: The work strays, trigger: {task: stray}}
"""

NO_LIFE_WRITES = {"run_started"}
"""It is there before any coordinator lives: `begin` writes it and returns, so that every run of
these tests stands as if it had been killed there."""

KILLED, FAILED = -signal.SIGKILL, 1


class Trouble:
    """The run, and the people who make it harder."""

    def __init__(self, folder: Path, text: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        plan = folder / "plan.yaml"
        plan.write_text(text, encoding="utf-8")
        self.scene = Scene.set(folder, plan=plan)
        self.known = folder / "kinds"
        self.known.touch()
        self.in_the_way = self.scene.places["one"] / "left/flaky.md"

    @property
    def kinds(self) -> list[str]:
        """At which kinds a coordinator was killed."""
        return self.known.read_text(encoding="utf-8").split()

    def live_on(self) -> int:
        """Live one life after the other, each until a kind that none has died of; how it ended."""
        while (code := self.scene.live("new", str(self.known))) == KILLED:
            assert len(self.kinds) <= len(ev.KINDS)
            if self.kinds[-1] == "attempt_attached":
                self.lose_an_attempt()
        return code

    def lose_an_attempt(self) -> None:
        """Kill the supervisors that go on without a coordinator."""
        end = time.monotonic() + 10
        while not (supervisors := self.scene.supervisors()):
            assert time.monotonic() < end
        for supervisor in supervisors:
            supervisor.kill()

    def ask(self, what: str, **body: str) -> None:
        """Ask something of the run, as a person would."""
        ask(self.scene.home.folder(self.scene.run), what, by="chaos", **body)

    def break_the_start_of(self, task: str) -> None:
        """Put something where the folder of a task's first attempt belongs."""
        place = self.scene.home.folder(self.scene.run).attempt(task, 1)
        place.parent.mkdir(parents=True)
        place.touch()


@pytest.fixture
def trouble(tmp_path: Path) -> Iterator[Trouble]:
    found = Trouble(tmp_path / "trouble", PLAN)
    yield found
    found.scene.end()


def smooth(folder: Path) -> dict[str, str]:
    """Give the trees of the same plan where nothing goes wrong."""
    troubles = ("settings:", "trick.", "tricks-until.")
    lines = [line for line in PLAN.splitlines(True) if not line.strip().startswith(troubles)]
    calm = Trouble(folder, "".join(lines))
    calm.scene.finish()
    calm.scene.assert_whole()
    return calm.scene.trees()


@pytest.mark.timeout(600)
def test_a_run_in_trouble_killed_at_every_kind_of_event_ends_in_the_undisturbed_tree(
    trouble: Trouble, tmp_path: Path
) -> None:
    scene = trouble.scene
    trouble.ask("cancel", task="unwanted")
    trouble.break_the_start_of("broken")
    trouble.in_the_way.parent.mkdir()
    trouble.in_the_way.write_text("mine\n", encoding="utf-8")
    assert trouble.live_on() == FAILED
    parked = {name for name, task in scene.book.state.tasks.items() if task.phase == "parked"}
    assert parked == {"stray", "broken", "unwanted"}
    assert scene.book.state.tasks["behind"].phase == "skipped"

    trouble.in_the_way.unlink()
    for name in sorted(parked):
        trouble.ask("retry", subject=name)
    assert trouble.live_on() == 0
    assert {*trouble.kinds} == {*ev.KINDS} - NO_LIFE_WRITES
    assert len(trouble.kinds) == len({*trouble.kinds})
    scene.assert_whole()
    assert scene.trees() == smooth(tmp_path / "smooth")

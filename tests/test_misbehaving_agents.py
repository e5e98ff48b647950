"""Whatever an agent does wrong: a clear finding, nothing foreign integrated, the rest goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chaos.scene import Scene

from coditect.run import events as ev
from coditect.run.state import Phase

PLAN = """\
schema: 1
name: tricks
repositories:
  app: {{}}
agents:
  mallory:
    adapter: rehearsal
    settings: {{trick: "{trick}"}}
  honest: {{adapter: rehearsal}}
workstreams:
  bad: {{agents: mallory, owns: "app:bad/"}}
  good: {{agents: honest, owns: "app:good/"}}
tasks:
  first: {{workstream: good, effort: 1h, deliverable: "app:good/first.md"}}
  evil:
    workstream: bad
    effort: 1h
    needs: first
    retries: 1
    timeout: {timeout}
    deliverable: "app:bad/evil.md"
  behind: {{workstream: bad, effort: 1h, needs: evil, deliverable: "app:bad/behind.md"}}
  second: {{workstream: good, effort: 1h, needs: first, deliverable: "app:good/second.md"}}
  third: {{workstream: good, effort: 1h, needs: second, deliverable: "app:good/third.md"}}
"""

REFUSED = {
    "stray": ("gate", "gate-outside-ownership"),
    "overwrite-foreign": ("gate", "gate-outside-ownership"),
    "delete-foreign": ("gate", "gate-outside-ownership"),
    "rename-foreign": ("gate", "gate-outside-ownership"),
    "symlink": ("gate", "gate-symlink"),
    "chmod": ("gate", "gate-outside-ownership"),
    "case": ("gate", "gate-same-name"),
    "lie": ("verification", "is missing"),
    "hang": ("timeout", "timeout"),
    "crash": ("exit", "ended with"),
    "fail": ("exit", "exit status"),
}
"""Trick -> the reason of the failure, and a word of its finding."""

HARMLESS = ("fork", "hold-pipe", "flood", "unreadable", "dot-git", "steal-lock", "gitlink")
"""Tricks that hurt nobody: what they leave is killed, capped, read all the same or wiped away.

A repository inside the lane is saved as the files it holds, with a warning; nothing of it is git's.
"""

Begin = Callable[[str], Scene]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    scenes: list[Scene] = []

    def start(trick: str) -> Scene:
        plan = tmp_path / "plan.yaml"
        timeout = "2s" if trick == "hang" else "60s"
        plan.write_text(PLAN.format(trick=trick, timeout=timeout), encoding="utf-8")
        scenes.append(Scene.set(tmp_path / "scene", plan=plan, pace=20))
        return scenes[-1]

    yield start
    for scene in scenes:
        scene.end()


def files(scene: Scene) -> list[str]:
    ref = f"refs/coditect/{scene.run}/integration"
    argv = ["git", "-C", str(scene.places["app"]), "ls-tree", "-r", "--name-only", ref]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("trick", sorted(REFUSED))
def test_a_trick_is_refused_in_words_and_the_rest_goes_on(trick: str, begin: Begin) -> None:
    scene = begin(trick)
    assert scene.live("never") == 1
    state, entries = scene.book.state, [entry.event for entry in scene.book.entries]
    assert state.finished == "failed"
    assert state.tasks["evil"].phase is Phase.PARKED
    assert state.tasks["behind"].phase is Phase.SKIPPED
    assert files(scene) == ["good/first.md", "good/second.md", "good/third.md"]
    reason, word = REFUSED[trick]
    failures = [event for event in entries if isinstance(event, ev.AttemptFailed)]
    assert {(event.task, event.reason) for event in failures} == {("evil", reason)}
    assert len(failures) == 2
    told = str([event for event in entries if isinstance(event, ev.DiffChecked)])
    assert word in told + str(failures)
    scene.assert_no_process()


@pytest.mark.parametrize("trick", HARMLESS)
def test_a_trick_that_leaves_the_work_good_hurts_nobody(trick: str, begin: Begin) -> None:
    scene = begin(trick)
    code = scene.live("never")
    parked = {
        name: task.why
        for name, task in scene.book.state.tasks.items()
        if task.phase is Phase.PARKED
    }
    assert (code, parked) == (0, {})
    ours = [name for name in files(scene) if name.startswith("bad/")]
    assert {"bad/evil.md", "bad/behind.md"} <= set(ours)
    assert all(name.startswith(("good/", "bad/")) for name in files(scene))
    log = next(scene.home.folder(scene.run).path.glob("attempts/evil/1/output.log"))
    assert log.stat().st_size <= 9 << 20
    scene.assert_no_process()

"""`kill -9` of what the engine has in hand beside agents: half a lane, verifications, a zygote."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from chaos.scene import Scene

from coditect.run import events as ev
from coditect.run.home import RunLock

KILLED = -signal.SIGKILL

PLAN = """\
schema: 1
name: engine
repositories:
  app: {}
agents:
  ann: {adapter: rehearsal}
  ben: {adapter: rehearsal}
workstreams:
  left: {agents: ann, owns: "app:left/"}
  right: {agents: ben, owns: "app:right/"}
tasks:
  l1:
    workstream: left
    effort: 1h
    retries: 0
    deliverable: "app:left/l1.md"
    verify: {kind: presence, run: "sleep 0.3; test -s left/l1.md"}
  l2: {workstream: left, effort: 1h, needs: l1, retries: 0, deliverable: "app:left/l2.md"}
  r1:
    workstream: right
    effort: 1h
    retries: 0
    deliverable: "app:right/r1.md"
    verify: {kind: presence, run: "sleep 0.3; test -s right/r1.md"}
checkpoints:
  gate:
    participants: [left, right]
    after: [l1, r1]
    before: l2
    duration: 1h
    deliverable: {tag: "app:v1"}
    verify: {kind: presence, repository: app, run: "sleep 0.3; test -s left/l1.md"}
"""

GIT_SHIM = """\
#!/bin/sh
# Stands in for git on PATH: kills its coordinator and itself at the first call of a kind.
real={real}
case "$*" in {pattern})
  if mkdir {done} 2> /dev/null; then
    coordinator=$PPID
    {deed}
    kill -9 "$coordinator"
    kill -9 $$
  fi;;
esac
exec "$real" "$@"
"""

BEFORE, AFTER = ":", '"$real" "$@"'
BESIDE = '"$real" "$@" & kill -9 "$coordinator"; wait'
"""The coordinator dies, and this git works on without it."""

MOMENTS = {
    "a lane is filled": "*read-tree*-u*",
    "work is added to an index": "*update-index*--add*",
    "work becomes a commit": "*commit-tree*",
    "work gets its ref": "*update-ref*saved*",
    "a merge is kept": "*update-ref*candidate*",
    "the branch moves": "*update-ref*refs/heads/main*",
    "a tag is made": "*update-ref*refs/tags*",
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    scene = begin(tmp_path_factory.mktemp("undisturbed"))
    scene.finish()
    scene.assert_whole()
    return scene.trees()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = begin(tmp_path)
    yield scene
    scene.end()


def begin(folder: Path) -> Scene:
    plan = folder / "plan.yaml"
    plan.write_text(PLAN, encoding="utf-8")
    return Scene.set(folder / "scene", plan=plan, pace=100)


def shim(folder: Path, pattern: str, deed: str) -> str:
    folder.mkdir()
    file = folder / "git"
    real, done = shutil.which("git"), folder / "done"
    text = GIT_SHIM.format(real=real, pattern=pattern, deed=deed, done=done)
    file.write_text(text)
    file.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def as_undisturbed(scene: Scene, undisturbed: dict[str, str]) -> None:
    scene.finish()
    scene.assert_whole()
    assert scene.trees() == undisturbed
    tags = [event for event in scene.book.entries if event.event.kind == "checkpoint_opened"]
    assert len(tags) == 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("deed", [BEFORE, AFTER, BESIDE], ids=["before", "after", "beside"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_git_is_at_something_a_run_ends_in_the_undisturbed_tree(
    moment: str, deed: str, scene: Scene, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    path = shim(tmp_path / "bin", MOMENTS[moment], deed)
    assert scene.live("never", path=path) == KILLED
    as_undisturbed(scene, undisturbed)
    assert not [e for e in scene.book.entries if isinstance(e.event, ev.AttemptFailed)]


def zygotes(scene: Scene) -> list[psutil.Process]:
    """Interpreters that fork supervisors for the coordinator: its children that are no git."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        with contextlib.suppress(psutil.Error):
            above = process.parent()
            line = above.cmdline() if above else []
            if "chaos.life" in line and str(scene.home.path) in line and "-S" in words:
                found.append(process)
    return found


def soon(what: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
    end = time.monotonic() + 30
    while not (found := what()):
        assert time.monotonic() < end, "nothing of the kind came"
        time.sleep(0.005)
    return found


def kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


@pytest.mark.timeout(300)
def test_without_its_zygote_a_coordinator_starts_supervisors_itself(
    scene: Scene, undisturbed: dict[str, str]
) -> None:
    life = scene.start("never")
    for process in soon(lambda: zygotes(scene)):
        kill(process)
    assert life.wait(timeout=120) == 0
    as_undisturbed(scene, undisturbed)
    assert not [e for e in scene.book.entries if isinstance(e.event, ev.AttemptFailed)]


def verifiers(scene: Scene) -> list[psutil.Process]:
    """The supervisors of verifications that live now, by their owner files."""
    found = []
    top = scene.home.folder(scene.run).path
    for owner in (*top.glob("attempts/*/*/verify/*/*/owner"), *top.glob("checkpoints/*/*/owner")):
        with contextlib.suppress(psutil.NoSuchProcess, ValueError, KeyError, FileNotFoundError):
            process = psutil.Process(json.loads(owner.read_text())["pid"])
            if "python" in process.name():
                found.append(process)
    return found


@pytest.mark.timeout(300)
def test_killed_verifications_are_made_again_and_cost_nothing(
    scene: Scene, undisturbed: dict[str, str]
) -> None:
    life = scene.start("never")
    seen: set[int] = set()
    while life.poll() is None and len(seen) < 2:
        for process in verifiers(scene):
            if process.pid not in seen:
                seen.add(process.pid)
                kill(process)
        time.sleep(0.01)
    assert life.wait(timeout=120) == 0
    assert seen
    as_undisturbed(scene, undisturbed)
    assert not [e for e in scene.book.entries if isinstance(e.event, ev.AttemptFailed)]


@pytest.mark.timeout(300)
def test_a_coordinator_killed_while_it_verifies_leaves_nobody_and_verifies_again(
    scene: Scene, undisturbed: dict[str, str]
) -> None:
    for _ in range(3):
        life = scene.start("never")
        soon(lambda: verifiers(scene))
        life.kill()
        life.wait()
    as_undisturbed(scene, undisturbed)
    end = time.monotonic() + 20
    while verifiers(scene):
        assert time.monotonic() < end, "a verification outlives its coordinator"
        time.sleep(0.02)


@pytest.mark.timeout(300)
def test_the_next_coordinator_waits_for_the_last_git_of_a_killed_one(
    scene: Scene, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    slow = f'( until [ -e {go} ]; do sleep 0.02; done; exec "$real" "$@" ) & touch {tmp_path}/held'
    path = shim(tmp_path / "bin", "*update-ref*integration*", slow)
    assert scene.live("never", path=path) == KILLED
    assert (tmp_path / "held").exists()
    life = scene.start("never")
    lock = scene.home.folder(scene.run).lock
    before = lock.read_text()
    time.sleep(1.0)
    assert life.poll() is None
    assert lock.read_text() == before, "it took the run while a git of the dead one was at work"
    go.touch()
    assert life.wait(timeout=120) == 0
    as_undisturbed(scene, undisturbed)
    with RunLock(scene.home.folder(scene.run)):
        pass
